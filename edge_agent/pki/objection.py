"""What is wrong with a certificate: which field of which, in which file, and what to do about it."""

from dataclasses import dataclass

from cryptography import x509

from edge_agent.pki.certificate import common_name


@dataclass(frozen=True, slots=True)
class Objection:
    """One thing that is wrong: the status of its step (OPC 10000-4, 6.1.3), the certificate, and the field.

    `file` is where that certificate or revocation list was found, `todo` what somebody does next.
    """

    status: str
    certificate: str
    field: str
    problem: str
    refuses: bool = True
    file: str = ""
    todo: str = ""

    def __str__(self) -> str:
        return f"{self.certificate}: {self.field}: {self.problem} ({self.status})"


@dataclass(frozen=True, slots=True)
class Held:
    """A certificate that is looked at, and where it was found."""

    certificate: x509.Certificate
    file: str

    @property
    def name(self) -> str:
        """The common name of whom it was made for."""
        return common_name(self.certificate.subject)

    def objection(
        self, status: str, field: str, problem: str, todo: str, *, refuses: bool = True
    ) -> Objection:
        """Return an objection to this certificate."""
        return Objection(status, self.name, field, problem, refuses, self.file, todo)

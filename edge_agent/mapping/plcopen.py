"""The function blocks as PLCopen XML, TC6 version 2.01, which most engineering tools import."""

from collections.abc import Mapping
from datetime import datetime
from xml.etree import ElementTree as ET

from edge_agent import __version__
from edge_agent.mapping.interface import Section, Variable

_TC6 = "http://www.plcopen.org/xml/tc6_0201"
_XHTML = "http://www.w3.org/1999/xhtml"
_LISTS = {
    "VAR_INPUT": "inputVars",
    "VAR_OUTPUT": "outputVars",
    "VAR": "localVars",
    "VAR CONSTANT": "localVars",
}


def project(name: str, blocks: Mapping[str, tuple[Section, ...]], body: str, made: datetime) -> str:
    """Return the document of a project that holds these function blocks; all have the same body."""
    root = ET.Element("project", xmlns=_TC6)
    ET.SubElement(
        root,
        "fileHeader",
        companyName="edge-agent",
        productName="edge-agent map",
        productVersion=__version__,
        creationDateTime=made.isoformat(timespec="seconds"),
    )
    scales = ET.SubElement(ET.SubElement(root, "contentHeader", name=name), "coordinateInfo")
    for language in ("fbd", "ld", "sfc"):
        ET.SubElement(ET.SubElement(scales, language), "scaling", x="1", y="1")
    types = ET.SubElement(root, "types")
    ET.SubElement(types, "dataTypes")
    pous = ET.SubElement(types, "pous")
    for block, sections in blocks.items():
        pou = ET.SubElement(pous, "pou", name=block, pouType="functionBlock")
        interface = ET.SubElement(pou, "interface")
        for section in sections:
            _variables(interface, section)
        _text(ET.SubElement(ET.SubElement(pou, "body"), "ST"), body)
    ET.SubElement(ET.SubElement(root, "instances"), "configurations")
    ET.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _variables(interface: ET.Element, section: Section) -> None:
    constant = {"constant": "true"} if section.keyword.endswith("CONSTANT") else {}
    variables = ET.SubElement(interface, _LISTS[section.keyword], constant)
    for variable in section.variables:
        _variable(ET.SubElement(variables, "variable", name=variable.name), variable)


def _variable(element: ET.Element, variable: Variable) -> None:
    kind = ET.SubElement(element, "type")
    if variable.last is not None:
        array = ET.SubElement(kind, "array")
        ET.SubElement(array, "dimension", lower="0", upper=str(variable.last))
        kind = ET.SubElement(array, "baseType")
    ET.SubElement(kind, variable.type)
    if variable.initial:
        ET.SubElement(ET.SubElement(element, "initialValue"), "simpleValue", value=variable.initial)
    if variable.comment:
        _text(ET.SubElement(element, "documentation"), variable.comment)


def _text(element: ET.Element, text: str) -> None:
    ET.SubElement(element, "xhtml", xmlns=_XHTML).text = text

"""The part of TC6 XML V2.01 that a project of function blocks uses: what stands in what, in which order."""

import re

CHILDREN = {
    "project": "fileHeader contentHeader types instances ",
    "fileHeader": "",
    "contentHeader": "coordinateInfo ",
    "coordinateInfo": "fbd ld sfc ",
    **dict.fromkeys(("fbd", "ld", "sfc"), "scaling "),
    "scaling": "",
    "types": "dataTypes pous ",
    "dataTypes": "",
    "pous": "(pou )*",
    "pou": "interface body ",
    "interface": "(inputVars |outputVars |localVars )*",
    **dict.fromkeys(("inputVars", "outputVars", "localVars"), "(variable )+"),
    "variable": "type (initialValue )?(documentation )?",
    "type": "(array|BOOL|INT|UINT|WORD|REAL|TIME) ",
    "array": "dimension baseType ",
    "dimension": "",
    "baseType": "(BOOL|INT|UINT|WORD|REAL|TIME) ",
    **dict.fromkeys(("BOOL", "INT", "UINT", "WORD", "REAL", "TIME"), ""),
    "initialValue": "simpleValue ",
    "simpleValue": "",
    "documentation": "xhtml ",
    "body": "ST ",
    "ST": "xhtml ",
    "xhtml": "",
    "instances": "configurations ",
    "configurations": "",
}
ATTRIBUTES = {
    "fileHeader": {"companyName", "productName", "productVersion", "creationDateTime"},
    "contentHeader": {"name"},
    "scaling": {"x", "y"},
    "pou": {"name", "pouType"},
    "variable": {"name"},
    "dimension": {"lower", "upper"},
    "simpleValue": {"value"},
}
TC6 = "{http://www.plcopen.org/xml/tc6_0201}"
XHTML = "{http://www.w3.org/1999/xhtml}"


def problems(element):
    """Yield what is against the rules in an element and all below it."""
    name = local(element)
    if element.tag != (XHTML if name == "xhtml" else TC6) + name:
        yield f"{element.tag}: namespace"
    if name not in CHILDREN:
        yield f"{name}: unknown"
        return
    children = "".join(local(child) + " " for child in element)
    if not re.fullmatch(CHILDREN[name], children):
        yield f"{name}: holds {children}"
    wanted = ATTRIBUTES.get(name, set())
    if set(element.attrib) - {"constant"} != wanted or ("constant" in element.attrib and name != "localVars"):
        yield f"{name}: attributes {sorted(element.attrib)}"
    for child in element:
        yield from problems(child)


def local(element):
    return element.tag.rpartition("}")[2]

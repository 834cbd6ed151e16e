#!/usr/bin/python3
# Licensed under the Apache License, Version 2.0; see LICENSE.
"""usage: check_sbom.py BILL BUILD-DIRECTORY

Is BILL (tests/build/sbom.py) what SPDX 2.3 requires in JSON, as far as it uses that, and
what was built? Fields, their forms, references between them, digests, the verification
code; each library that readelf names, with the version that dpkg has."""

import hashlib
import json
import os
import re
import subprocess
import sys

from complaints import complain, end

PRODUCTS = {"./mod_auth_bearer.so": ".libs/mod_auth_bearer.so", "./htbearer": "htbearer"}
IDENTIFIER = r"SPDXRef-[A-Za-z0-9.-]+"
LICENCE = r"NOASSERTION|NONE|Apache-2\.0|MIT|curl|Zlib|BSD-3-Clause|LGPL-2\.1-or-later"
PURL = r"pkg:(deb|rpm)/[a-z0-9.+-]+/[A-Za-z0-9.+_-]+@[A-Za-z0-9.+%~_-]+\?[a-z0-9=&.+_-]+"
RELATIONS = {"DESCRIBES", "CONTAINS", "DYNAMIC_LINK", "RUNTIME_DEPENDENCY_OF"}
#: member -> form; of a list, that of each value
DOCUMENT = {
    "spdxVersion": r"SPDX-2\.3", "dataLicense": r"CC0-1\.0", "SPDXID": "SPDXRef-DOCUMENT",
    "name": r"mod_auth_bearer-\S+", "documentNamespace": r"https://[^\s#]+",
    "creationInfo": None, "packages": None, "files": None, "relationships": None}
PACKAGE = {
    "SPDXID": IDENTIFIER, "name": r"\S+", "downloadLocation": "NOASSERTION",
    "filesAnalyzed": "True|False", "licenseConcluded": LICENCE, "licenseDeclared": LICENCE,
    "copyrightText": "NOASSERTION", "supplier": "NOASSERTION",
    "primaryPackagePurpose": "LIBRARY|APPLICATION"}
FILE = {
    "SPDXID": IDENTIFIER, "fileName": r"\./\S+", "fileTypes": "BINARY", "checksums": None,
    "licenseConcluded": LICENCE, "licenseInfoInFiles": LICENCE,
    "copyrightText": "NOASSERTION"}
OPTIONAL = {"versionInfo": r"\S+", "externalRefs": None, "comment": r"\S.*\S",
            "packageVerificationCode": None, "licenseInfoFromFiles": LICENCE}


def members(where, thing, required, optional=()):
    for name in required:
        if name not in thing:
            complain(where, f"has no {name}")
    for name, value in thing.items():
        form = {**required, **dict(optional)}.get(name, "(?!)")
        for one in value if isinstance(value, list) else [value]:
            if form is not None and not re.fullmatch(form, str(one)):
                complain(where, f"{name} {one!r} is not allowed")


def output(*command):
    return subprocess.run(command, capture_output=True, text=True, timeout=60,
                          check=False).stdout


def check_form(bill):
    members("document", bill, DOCUMENT)
    members("creationInfo", bill["creationInfo"], {
        "created": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "creators": r"Tool: \S+"})
    for package in bill["packages"]:
        members(package["name"], package, PACKAGE, OPTIONAL.items())
        for reference in package.get("externalRefs", []):
            members(package["name"], reference, {
                "referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl",
                "referenceLocator": PURL})
        if package["filesAnalyzed"] != ("packageVerificationCode" in package):
            complain(package["name"], "a verification code belongs to analyzed files")
    things = ["SPDXRef-DOCUMENT", *(p["SPDXID"] for p in bill["packages"]),
              *(f["SPDXID"] for f in bill["files"])]
    if len(set(things)) != len(things):
        complain("SPDXID", "is not unique")
    for relation in bill["relationships"]:
        members("relationship", relation, {
            "spdxElementId": IDENTIFIER, "relationshipType": "|".join(RELATIONS),
            "relatedSpdxElement": IDENTIFIER})
        for end_ in relation["spdxElementId"], relation["relatedSpdxElement"]:
            if end_ not in things:
                complain("relationship", f"{end_} is nowhere")


def related(bill, kind):
    return {(r["spdxElementId"], r["relatedSpdxElement"]) for r in bill["relationships"]
            if r["relationshipType"] == kind}


def check_files(bill, build):
    ours = bill["packages"][0]
    digests = []
    for file in bill["files"]:
        members(file["fileName"], file, FILE)
        with open(os.path.join(build, PRODUCTS[file["fileName"]]), "rb") as product:
            content = product.read()
        digests.append(hashlib.sha1(content).hexdigest())
        if file["checksums"] != [
                {"algorithm": "SHA1", "checksumValue": digests[-1]},
                {"algorithm": "SHA256", "checksumValue": hashlib.sha256(content).hexdigest()}]:
            complain(file["fileName"], "has other digests")
    if {file["fileName"] for file in bill["files"]} != set(PRODUCTS):
        complain("files", f"are not {sorted(PRODUCTS)}")
    code = hashlib.sha1("".join(sorted(digests)).encode()).hexdigest()
    if ours.get("packageVerificationCode") != {"packageVerificationCodeValue": code}:
        complain(ours["name"], "has another verification code")
    if related(bill, "DESCRIBES") != {("SPDXRef-DOCUMENT", ours["SPDXID"])}:
        complain("document", "describes something else than the first package")
    if related(bill, "CONTAINS") != {(ours["SPDXID"], f["SPDXID"]) for f in bill["files"]}:
        complain(ours["name"], "does not contain the files, and them only")


def check_libraries(bill, build):
    packages = {package["SPDXID"]: package for package in bill["packages"]}
    for file in bill["files"]:
        path = os.path.join(build, PRODUCTS[file["fileName"]])
        needed = set(re.findall(r"NEEDED\s+(\S+)", output("objdump", "-p", path)))
        named = [other for one, other in related(bill, "DYNAMIC_LINK")
                 if one == file["SPDXID"]]
        provided = {soname for other in named if other in packages
                    for soname in packages[other].get("comment", "").split()[1:]}
        if not needed or needed - provided:
            complain(file["fileName"], f"is linked with {sorted(needed)}, not {provided}")
    for package in packages.values():
        version = output("dpkg-query", "-W", "-f", "${Version}", package["name"])
        if package["filesAnalyzed"]:
            version = bill["name"].partition("-")[2]
        if "versionInfo" not in package or version and package["versionInfo"] != version:
            complain(package["name"], f"is installed in version {version or 'unknown'}, "
                     f"not {package.get('versionInfo')}")


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        bill = json.load(file)
    check_form(bill)
    check_files(bill, sys.argv[2])
    check_libraries(bill, sys.argv[2])
    return end()


if __name__ == "__main__":
    sys.exit(main())

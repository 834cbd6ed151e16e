#!/usr/bin/python3
# Licensed under the Apache License, Version 2.0; see LICENSE.
"""usage: sbom.py VERSION SECONDS APXS FILE...

Prints the bill of materials of what was built, as SPDX 2.3 in JSON: each FILE with its
digests, and the libraries that it is linked with, as they are installed here. Equal
builds with equal SECONDS (since 1970, when it was made) give equal bills. Called by
`make sbom`. Needs readelf and ldd; versions are those of dpkg, else of rpm, else of
pkg-config."""

import datetime
import hashlib
import json
import os
import re
import subprocess
import sys
import uuid

NONE = "NOASSERTION"
#: The beginning of a library's soname -> (its name for pkg-config, its licence).
LIBRARIES = {
    "libapr-1.so": ("apr-1", "Apache-2.0"),
    "libaprutil-1.so": ("apr-util-1", "Apache-2.0"),
    "ld-linux": (None, "LGPL-2.1-or-later"),
    "libc.so": (None, "LGPL-2.1-or-later"),
    "libcrypto.so": ("libcrypto", "Apache-2.0"),
    "libcurl.so": ("libcurl", "curl"),
    "libhiredis.so": ("hiredis", "BSD-3-Clause"),
    "libhiredis_ssl.so": ("hiredis_ssl", "BSD-3-Clause"),
    "libjansson.so": ("jansson", "MIT"),
    "libssl.so": ("libssl", "Apache-2.0"),
    "libz.so": ("zlib", "Zlib"),
}


def ask(*command):
    """Returns what the command prints; empty if it fails or is not there."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def release_of_system():
    """(ID, VERSION_ID) of /etc/os-release."""
    try:
        with open("/etc/os-release", encoding="utf-8") as file:
            found = dict(re.findall(r'^(\w+)="?([^"\n]*)', file.read(), re.M))
    except FileNotFoundError:
        found = {}
    return found.get("ID", "linux"), found.get("VERSION_ID", "")


def package_of(path):
    """(name, version, purl) of the package that installed a file, or None."""
    system, release = release_of_system()
    suffix = f"&distro={system}-{release}" if release else ""
    # a merged /usr: packages may have installed it as /lib/…
    for name in dict.fromkeys((path, os.path.realpath(path),
                               re.sub(r"^/usr", "", os.path.realpath(path)))):
        owner = ask("dpkg", "-S", name).partition(": ")[0].split(",")[0]
        found = owner and ask("dpkg-query", "-W", "-f",
                              "${Package} ${Version} ${Architecture}", owner).split()
        if found:
            return *found[:2], f"pkg:deb/{system}/{found[0]}@{quoted(found[1])}" \
                f"?arch={found[2]}{suffix}"
    found = ask("rpm", "-qf", "--qf", "%{NAME} %{VERSION}-%{RELEASE} %{ARCH}",
                os.path.realpath(path)).split()
    if len(found) == 3:
        return *found[:2], f"pkg:rpm/{system}/{found[0]}@{quoted(found[1])}" \
            f"?arch={found[2]}{suffix}"
    return None


def quoted(version):
    return version.replace("+", "%2B").replace(":", "%3A")


def identifier(name):
    return "SPDXRef-" + re.sub(r"[^A-Za-z0-9.-]", "-", name)


def linked(path):
    """{soname: path} of the libraries that a file names itself."""
    needed = re.findall(r"\(NEEDED\).*\[(.+)\]", ask("readelf", "-dW", path))
    printed = ask("ldd", path)
    where = {os.path.basename(name): name for name in re.findall(r"^\s*(/\S+) \(", printed, re.M)}
    where.update(re.findall(r"^\s*(\S+) => (/\S+)", printed, re.M))
    if not needed:
        sys.exit(f"sbom.py: {path} is linked with nothing")
    return {name: where.get(name) for name in needed}


def foreign(identity, name, found, licence):
    """A package that others made."""
    package = {
        "SPDXID": identity, "name": found[0] if found else name,
        "downloadLocation": NONE, "filesAnalyzed": False,
        "licenseConcluded": NONE, "licenseDeclared": licence, "copyrightText": NONE,
        "supplier": NONE, "primaryPackagePurpose": "LIBRARY"}
    if found and found[1]:
        package["versionInfo"] = found[1]
    if found and found[2]:
        package["externalRefs"] = [{
            "referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl",
            "referenceLocator": found[2]}]
    return package


def library(soname, path):
    """The package that a library comes from."""
    name, licence = next((row for start, row in LIBRARIES.items()
                          if soname.startswith(start)), (None, NONE))
    found = path and package_of(path)
    if not found and name:
        version = ask("pkg-config", "--modversion", name)
        found = (name, version, None) if version else None
    return foreign(identifier(found[0] if found else soname), soname, found, licence)


def httpd(apxs):
    """The server that loads the module."""
    program = os.path.join(ask(apxs, "-q", "SBINDIR"), ask(apxs, "-q", "PROGNAME"))
    found = package_of(program) or ("httpd", ask(apxs, "-q", "HTTPD_VERSION"), None)
    return dict(foreign("SPDXRef-httpd", "httpd", found, "Apache-2.0"),
                primaryPackagePurpose="APPLICATION", comment="loads mod_auth_bearer.so")


def product(path):
    with open(path, "rb") as file:
        content = file.read()
    name = os.path.basename(path)
    return {
        "SPDXID": identifier("File-" + name), "fileName": "./" + name,
        "fileTypes": ["BINARY"],
        "checksums": [{"algorithm": kind, "checksumValue": value.hexdigest()}
                      for kind, value in (("SHA1", hashlib.sha1(content)),
                                          ("SHA256", hashlib.sha256(content)))],
        "licenseConcluded": "Apache-2.0", "licenseInfoInFiles": ["Apache-2.0"],
        "copyrightText": NONE}


def relation(one, kind, other):
    return {"spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other}


def bill(version, seconds, apxs, paths):
    made = {path: product(path) for path in paths}
    digests = "".join(sorted(file["checksums"][0]["checksumValue"] for file in made.values()))
    ours = {
        "SPDXID": "SPDXRef-mod-auth-bearer", "name": "mod_auth_bearer",
        "versionInfo": version, "downloadLocation": NONE, "filesAnalyzed": True,
        "packageVerificationCode": {
            "packageVerificationCodeValue": hashlib.sha1(digests.encode()).hexdigest()},
        "licenseConcluded": "Apache-2.0", "licenseDeclared": "Apache-2.0",
        "licenseInfoFromFiles": ["Apache-2.0"], "copyrightText": NONE,
        "supplier": NONE, "primaryPackagePurpose": "APPLICATION"}
    needed = {path: linked(path) for path in paths}
    libraries = {soname: library(soname, where) for path in paths
                 for soname, where in needed[path].items()}
    packages = {}
    for soname, package in sorted(libraries.items()):
        package = packages.setdefault(package["SPDXID"], package)
        package["comment"] = f"{package.get('comment', 'provides')} {soname}"
    server = httpd(apxs)
    relations = [relation("SPDXRef-DOCUMENT", "DESCRIBES", ours["SPDXID"])]
    for path, file in made.items():
        relations.append(relation(ours["SPDXID"], "CONTAINS", file["SPDXID"]))
        used = {libraries[soname]["SPDXID"] for soname in needed[path]}
        relations += [relation(file["SPDXID"], "DYNAMIC_LINK", one) for one in sorted(used)]
    relations.append(relation(server["SPDXID"], "RUNTIME_DEPENDENCY_OF", ours["SPDXID"]))
    when = datetime.datetime.fromtimestamp(int(seconds), datetime.timezone.utc)
    document = {
        "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT",
        "name": f"mod_auth_bearer-{version}",
        "creationInfo": {"created": when.strftime("%Y-%m-%dT%H:%M:%SZ"),
                         "creators": ["Tool: mod_auth_bearer-sbom.py"]},
        "packages": [ours, *packages.values(), server],
        "files": list(made.values()), "relationships": relations}
    name = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(document, sort_keys=True))
    return dict(document, documentNamespace="https://spdx.org/spdxdocs/"
                f"mod_auth_bearer-{version}-{name}")


def main():
    if len(sys.argv) < 5:
        print(__doc__, file=sys.stderr)
        return 2
    version, seconds, apxs, *paths = sys.argv[1:]
    json.dump(bill(version, seconds, apxs, paths), sys.stdout, indent=2)
    print()
    return 0


if __name__ == "__main__":
    sys.exit(main())

import * as fs from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { VERSION } from "../../src/cli/version.ts";
import { require, run } from "./run.ts";
import {
  foldersIn,
  type PackageFile,
  type PackageName,
  packageFiles,
  type StageOptions,
  stage,
} from "./stage.ts";

/** Debian's name of a machine. */
export type DebianArchitecture = "amd64" | "arm64";

/** The version in Debian's form; 2.23-2+b1 sorts below it. */
export const DEBIAN_VERSION = `${VERSION}-1`;

const MAINTAINER = "The jailkit authors <jailkit@localhost>";

const DESCRIPTIONS: Record<
  PackageName,
  { summary: string; text: string[]; depends: string[]; fields: string[] }
> = {
  jailkit: {
    summary: "put user accounts and daemons into chroot jails",
    text: [
      "Jailkit builds chroot jails, puts accounts and daemons into them, and limits",
      "what may run there. An account can be made that does exactly one thing, such",
      "as sftp, scp, rsync or git, or one with a shell that sees nothing of the",
      "machine and of the other users.",
    ],
    // statx, close_range and getdents64 have wrappers since then.
    depends: ["libc6 (>= 2.34)"],
    fields: ["Recommends: libcap2-bin", "Suggests: openssh-server, jailkit-procmail"],
  },
  "jailkit-procmail": {
    summary: "deliver mail inside chroot jails with procmail",
    text: [
      "jk_procmailwrapper stands in for procmail: it delivers the mail of a jailed",
      "account inside its jail, with the procmail of that jail, and the mail of all",
      "other accounts as procmail does.",
    ],
    depends: [`jailkit (= ${DEBIAN_VERSION})`, "procmail"],
    fields: ["Recommends: libcap2-bin"],
  },
};

// An entry is shipped setuid root, so that there is no moment of an upgrade in which a login fails. A capability is
// enough, and less: where the file system takes it, it takes the place of the bit. What the administrator said with
// dpkg-statoverride stays.
const privilegeOf = (paths: readonly string[]) => `privilege() {
    if dpkg-statoverride --list "$1" > /dev/null 2>&1; then
        return 0
    fi
    if command -v setcap > /dev/null 2>&1 && setcap cap_sys_chroot+ep "$1" 2> /dev/null; then
        chmod u-s "$1"
    fi
}

if [ "$1" = configure ]; then
${paths.map((path) => `    privilege ${path}\n`).join("")}fi
`;

function postinst(name: PackageName, entries: readonly string[]): string {
  const more =
    name === "jailkit"
      ? `
if [ "$1" = configure ]; then
    add-shell /usr/sbin/jk_chrootsh
    # Jails that are known, and were made with a recipe, get the new files; one that fails must not stop the rest.
    if [ -d /var/lib/jailkit/jails ] && [ -x /usr/sbin/jk_update ]; then
        jk_update --all || echo "jailkit: some jails could not be updated, see jk_update(8)" >&2
    fi
    if [ -d /run/systemd/system ]; then
        systemctl daemon-reload || true
    fi
fi
`
      : "";
  return `#!/bin/sh\nset -e\n\n${privilegeOf(entries)}${more}\nexit 0\n`;
}

const POSTRM = `#!/bin/sh
set -e

if [ "$1" = remove ]; then
    if [ -x /usr/sbin/remove-shell ]; then
        remove-shell /usr/sbin/jk_chrootsh
    fi
fi
if [ "$1" = purge ]; then
    # The records of jails, not the jails.
    rm -rf /var/lib/jailkit
    for folder in /etc/jailkit/*.d /etc/jailkit; do
        if [ -d "$folder" ]; then
            rmdir --ignore-fail-on-non-empty "$folder"
        fi
    done
fi
if [ -d /run/systemd/system ]; then
    systemctl daemon-reload || true
fi

exit 0
`;

function control(name: PackageName, architecture: DebianArchitecture, installedKilobytes: number): string {
  const { summary, text, depends, fields } = DESCRIPTIONS[name];
  return `${[
    `Package: ${name}`,
    "Source: jailkit",
    `Version: ${DEBIAN_VERSION}`,
    `Architecture: ${architecture}`,
    `Maintainer: ${MAINTAINER}`,
    `Installed-Size: ${installedKilobytes}`,
    `Depends: ${depends.join(", ")}`,
    ...fields,
    "Section: admin",
    "Priority: optional",
    `Description: ${summary}`,
    ...text.map((line) => ` ${line}`),
  ].join("\n")}\n`;
}

function copyright(root: string): string {
  const license = fs.readFileSync(join(root, "LICENSE"), "utf8");
  const indented = (text: string) =>
    text
      .trimEnd()
      .split("\n")
      .map((line) => (line === "" ? " ." : ` ${line}`))
      .join("\n");
  return `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: jailkit

Files: *
Copyright: 2026 the jailkit authors
License: BSD-3-Clause

Files: usr/sbin/jailkit
Copyright: 2026 the jailkit authors
 the authors of Bun and of what it contains
License: BSD-3-Clause and Expat
Comment: The executable contains the Bun runtime (Expat license, with parts under
 other free licenses that its own LICENSE.md lists), citty (Expat), ini (ISC) and
 zod (Expat). The bill of materials that goes with each release lists versions.

License: BSD-3-Clause
${indented(license)}

License: Expat
 Permission is hereby granted, free of charge, to any person obtaining a copy of
 this software, to deal in it without restriction, provided that the copyright
 notice and this permission notice are included in all copies. The software is
 provided "as is", without warranty of any kind.
`;
}

/** What lintian says of these packages and why it is meant to be so; checked by the package tests. */
function lintianOverrides(name: PackageName, entries: readonly string[]): string {
  const lines = entries.flatMap((path) => [
    "# Any user may start it, and it needs CAP_SYS_CHROOT: postinst replaces the bit by the capability.",
    `${name}: elevated-privileges 4755 root/root [${path.slice(1)}]`,
    "# A few kilobytes without a C library, so that nothing of the caller's environment is read before it is checked.",
    `${name}: statically-linked-binary [${path.slice(1)}]`,
  ]);
  if (name === "jailkit") {
    lines.push(
      "# The program is a part of this file that strip(1) cuts off; the guard in it refuses to start then.",
      "jailkit: unstripped-binary-or-object [usr/sbin/*]",
      "# Parts of the runtime, which is built as one file by its own authors.",
      "jailkit: embedded-library *",
      "jailkit: hardening-no-relro [usr/sbin/*]",
      "jailkit: hardening-no-bindnow [usr/sbin/*]",
      "jailkit: hardening-no-pie [usr/sbin/*]",
      "# One executable under its names: each copy would cost 110 MB of disk and of memory.",
      "jailkit: package-contains-hardlink *",
    );
  }
  return `${lines.join("\n")}\n`;
}

function writeControlFiles(
  name: PackageName,
  folder: string,
  files: readonly PackageFile[],
  size: number,
  architecture: DebianArchitecture,
): void {
  const place = join(folder, "DEBIAN");
  fs.mkdirSync(place, { mode: 0o755 });
  const put = (file: string, text: string, mode = 0o644) => {
    fs.writeFileSync(join(place, file), text);
    fs.chmodSync(join(place, file), mode);
  };
  const entries = files.filter(({ mode }) => mode === 0o4755).map(({ path }) => path);
  put("control", control(name, architecture, size));
  put("postinst", postinst(name, entries), 0o755);
  if (name === "jailkit") put("postrm", POSTRM, 0o755);
  const conffiles = files.filter(({ configuration }) => configuration).map(({ path }) => `${path}\n`);
  if (conffiles.length > 0) put("conffiles", conffiles.join(""));
  const sums = files
    .filter(({ configuration }) => !configuration)
    .map(({ path }) => {
      const digest = new Bun.CryptoHasher("md5").update(fs.readFileSync(join(folder, path))).digest("hex");
      return `${digest}  ${path.slice(1)}\n`;
    });
  put("md5sums", sums.join(""));
}

function changelog(epoch: number): Uint8Array {
  const date = new Date(epoch * 1000).toUTCString().replace("GMT", "+0000");
  const text = `jailkit (${DEBIAN_VERSION}) unstable; urgency=medium

  * New version; /usr/share/doc/jailkit/differences.md lists what differs from
    2.23 on purpose.

 -- ${MAINTAINER}  ${date}
`;
  return gzipSync(text, { level: 9 });
}

/**
 * Makes a .deb in `output` with dpkg-deb and returns its path. `fast` compresses little, for tests. The executables go
 * in as they were built: strip(1) would cut the program out of them.
 */
export function buildDeb(
  name: PackageName,
  architecture: DebianArchitecture,
  options: StageOptions & { output: string; fast: boolean },
): string {
  const { root, epoch, output } = options;
  require("dpkg-deb", "dpkg");
  const doc = `/usr/share/doc/${name}`;
  const files = packageFiles(name, options);
  const entries = files.filter(({ mode }) => mode === 0o4755).map(({ path }) => path);
  const text = (content: string) => new TextEncoder().encode(content);
  files.push(
    { path: `${doc}/copyright`, mode: 0o644, content: text(copyright(root)) },
    { path: `${doc}/changelog.Debian.gz`, mode: 0o644, content: changelog(epoch) },
    {
      path: `/usr/share/lintian/overrides/${name}`,
      mode: 0o644,
      content: text(lintianOverrides(name, entries)),
    },
  );
  const folder = join(output, `.${name}-${architecture}`);
  fs.rmSync(folder, { recursive: true, force: true });
  try {
    stage(files, folder, epoch);
    const bytes = files.reduce((sum, file) => {
      if (!(file.content instanceof Uint8Array) && "linkTo" in file.content) return sum;
      return sum + fs.statSync(join(folder, file.path)).size;
    }, 0);
    writeControlFiles(name, folder, files, Math.ceil(bytes / 1024), architecture);
    for (const place of foldersIn(folder)) fs.utimesSync(place, epoch, epoch);
    const deb = join(output, `${name}_${DEBIAN_VERSION}_${architecture}.deb`);
    const compression = options.fast ? ["-Zgzip", "-z1"] : ["-Zxz", "-z9", "-Sextreme", "--threads-max=1"];
    run(["dpkg-deb", "--root-owner-group", ...compression, "--build", folder, deb], {
      env: { SOURCE_DATE_EPOCH: String(epoch) },
    });
    return deb;
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

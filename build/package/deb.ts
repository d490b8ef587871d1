import * as fs from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { VERSION } from "../../src/cli/version.ts";
import { arArchive, compress, put, tarInOrder } from "./archive.ts";
import { lintianOverrides } from "./lintian.ts";
import { maintainer } from "./maintainer.ts";
import { PREINST, postinst, postrm, prerm } from "./scripts.ts";
import {
  compressed,
  linkTarget,
  type PackageFile,
  type PackageName,
  type PackageOptions,
  packageFiles,
  stage,
  unitsIn,
} from "./stage.ts";

/** Debian's name of a machine. */
export type DebianArchitecture = "amd64" | "arm64";

/** The version in Debian's form; 2.23-2+b1 sorts below it. */
export const DEBIAN_VERSION = `${VERSION}-1`;

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
    // close_range has a wrapper since then.
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

function control(name: PackageName, architecture: DebianArchitecture, installedKilobytes: number): string {
  const { summary, text, depends, fields } = DESCRIPTIONS[name];
  return `${[
    `Package: ${name}`,
    `Version: ${DEBIAN_VERSION}`,
    `Architecture: ${architecture}`,
    `Maintainer: ${maintainer()}`,
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

/** Writes what goes into control.tar into `folder`, and returns the names. */
function writeControlFiles(
  name: PackageName,
  folder: string,
  {
    files,
    data,
    architecture,
  }: { files: readonly PackageFile[]; data: string; architecture: DebianArchitecture },
): string[] {
  const size = files.reduce(
    (sum, file) => sum + (linkTarget(file) === undefined ? fs.statSync(join(data, file.path)).size : 0),
    0,
  );
  const sums = files
    .filter(({ configuration }) => !configuration)
    .map(({ path }) => {
      const digest = new Bun.CryptoHasher("md5").update(fs.readFileSync(join(data, path))).digest("hex");
      return `${digest}  ${path.slice(1)}\n`;
    });
  put(folder, "control", control(name, architecture, Math.ceil(size / 1024)));
  put(folder, "md5sums", sums.join(""));
  put(folder, "postinst", postinst(name, entriesOf(files), unitsIn(files)), 0o755);
  if (name !== "jailkit") return ["control", "md5sums", "postinst"];
  const conffiles = files.filter(({ configuration }) => configuration).map(({ path }) => `${path}\n`);
  put(folder, "conffiles", conffiles.join(""));
  put(folder, "preinst", PREINST, 0o755);
  put(folder, "prerm", prerm(unitsIn(files)), 0o755);
  put(folder, "postrm", postrm(unitsIn(files)), 0o755);
  return ["conffiles", "control", "md5sums", "postinst", "postrm", "preinst", "prerm"];
}

const entriesOf = (files: readonly PackageFile[]) =>
  files.filter(({ mode }) => mode === 0o4755).map(({ path }) => path);

function changelog(epoch: number): Uint8Array {
  const date = new Date(epoch * 1000).toUTCString().replace("GMT", "+0000");
  const text = `jailkit (${DEBIAN_VERSION}) unstable; urgency=medium

  * New version; /usr/share/doc/jailkit/differences.md lists what differs from
    2.23 on purpose.

 -- ${maintainer()}  ${date}
`;
  return gzipSync(text, { level: 9 });
}

/** Debian's zsh looks for completions elsewhere than others, and its policy has a name for the changes of a program. */
function asInDebian(file: PackageFile): PackageFile {
  const path = file.path.replace("/zsh/site-functions/", "/zsh/vendor-completions/");
  if (!path.endsWith("/CHANGELOG.md") || file.content instanceof Uint8Array || !("file" in file.content))
    return { ...file, path };
  return {
    ...file,
    path: path.replace("CHANGELOG.md", "changelog.gz"),
    content: compressed(file.content.file),
  };
}

/**
 * Makes a .deb in `output` and returns its path. `fast` compresses little, for tests. The executables go in as they
 * were built: strip(1) would cut the program out of them.
 *
 * dpkg puts files into their places in the order of the archive, which dpkg-deb(1) sorts by name: an entry in /usr/bin
 * would wait for what it starts in /usr/sbin until 110 MB have reached the disk. Hence an archive in the order of
 * packageFiles().
 */
export function buildDeb(
  name: PackageName,
  architecture: DebianArchitecture,
  options: PackageOptions,
): string {
  const { root, epoch, output, fast } = options;
  const doc = `/usr/share/doc/${name}`;
  const files = packageFiles(name, options).map(asInDebian);
  const text = (content: string) => new TextEncoder().encode(content);
  const overrides = lintianOverrides(name, entriesOf(files), process.env.DEBEMAIL !== undefined);
  files.push(
    { path: `${doc}/copyright`, mode: 0o644, content: text(copyright(root)) },
    { path: `${doc}/changelog.Debian.gz`, mode: 0o644, content: changelog(epoch) },
    { path: `/usr/share/lintian/overrides/${name}`, mode: 0o644, content: text(overrides) },
  );
  const work = join(output, `.deb-${name}-${architecture}`);
  fs.rmSync(work, { recursive: true, force: true });
  try {
    const data = join(work, "data");
    const controlFolder = join(work, "control");
    stage(files, data, epoch);
    const names = writeControlFiles(name, controlFolder, { files, data, architecture });
    const packed = (folder: string, paths: readonly string[]) =>
      compress(tarInOrder(folder, paths, { output: `${folder}.tar`, epoch }), fast);
    const inner = packed(
      controlFolder,
      names.map((file) => `/${file}`),
    );
    const outer = packed(
      data,
      files.map(({ path }) => path),
    );
    const deb = join(output, `${name}_${DEBIAN_VERSION}_${architecture}.deb`);
    const members = [
      { name: "debian-binary", content: text("2.0\n") },
      { name: `control.tar.${inner.ending}`, content: inner.content },
      { name: `data.tar.${outer.ending}`, content: outer.content },
    ];
    fs.writeFileSync(deb, arArchive(members, epoch));
    return deb;
  } finally {
    fs.rmSync(work, { recursive: true, force: true });
  }
}

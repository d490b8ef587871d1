import * as fs from "node:fs";
import { join } from "node:path";
import { VERSION } from "../../src/cli/version.ts";
import { maintainer } from "./maintainer.ts";
import { require, run } from "./run.ts";
import { rpmScripts } from "./scripts.ts";
import {
  type PackageFile,
  type PackageName,
  type PackageOptions,
  packageFiles,
  stage,
  unitsIn,
} from "./stage.ts";

/** rpm's name of a machine. */
export type RpmArchitecture = "x86_64" | "aarch64";

const SUMMARIES: Record<PackageName, { summary: string; description: string; requires: string }> = {
  jailkit: {
    summary: "Put user accounts and daemons into chroot jails",
    description:
      "Jailkit builds chroot jails, puts accounts and daemons into them, and limits\n" +
      "what may run there: an account that does exactly one thing, such as sftp, scp,\n" +
      "rsync or git, or one with a shell that sees nothing of the machine.",
    requires: "glibc >= 2.34",
  },
  "jailkit-procmail": {
    summary: "Deliver mail inside chroot jails with procmail",
    description:
      "jk_procmailwrapper stands in for procmail: it delivers the mail of a jailed\n" +
      "account inside its jail, and the mail of all other accounts as procmail does.",
    requires: `jailkit = ${VERSION}-1, procmail`,
  },
};

/** One line of %files. An entry has the capability from the package itself, and no setuid bit. */
function fileLine(file: PackageFile): string {
  const { path, mode, configuration } = file;
  if (mode === 0o4755) return `%caps(cap_sys_chroot=ep) %attr(0755,root,root) ${path}`;
  const octal = mode.toString(8).padStart(4, "0");
  if (configuration) return `%config(noreplace) %attr(${octal},root,root) ${path}`;
  return `${path.startsWith("/usr/share/doc/") ? "%doc " : ""}%attr(${octal},root,root) ${path}`;
}

/** The date of a changelog's line in a spec file. */
function changelogDate(epoch: number): string {
  const [, day, date, month, year] =
    /^(\w+), (\d+) (\w+) (\d+)/.exec(new Date(epoch * 1000).toUTCString()) ?? [];
  return `${day} ${month} ${date} ${year}`;
}

function specFile(name: PackageName, files: readonly PackageFile[], staged: string, epoch: number): string {
  const { summary, description, requires } = SUMMARIES[name];
  // rpm would strip the executables, and with that cut the program out of them; and look for what they need.
  return `%global debug_package %{nil}
%global __os_install_post %{nil}
%global _build_id_links none
%define _source_payload w19.zstdio
Name: ${name}
Version: ${VERSION}
Release: 1
Summary: ${summary}
License: BSD-3-Clause
Group: System Environment/Base
Packager: ${maintainer()}
AutoReqProv: no
Requires: ${requires}

%description
${description}

%install
cp -a "${staged}/." "%{buildroot}/"

${name === "jailkit" ? rpmScripts(unitsIn(files)) : ""}
%files
${name === "jailkit" ? "%dir %attr(0755,root,root) /etc/jailkit\n" : ""}${files.map(fileLine).join("\n")}

%changelog
* ${changelogDate(epoch)} ${maintainer()} - ${VERSION}-1
- See CHANGELOG.md
`;
}

/** Makes an .rpm in `output` with rpmbuild and returns its path. */
export function buildRpm(name: PackageName, architecture: RpmArchitecture, options: PackageOptions): string {
  const { output, epoch } = options;
  require("rpmbuild", "rpm");
  const files = packageFiles(name, options);
  const work = join(output, `.rpm-${name}-${architecture}`);
  fs.rmSync(work, { recursive: true, force: true });
  try {
    fs.mkdirSync(work, { recursive: true });
    const staged = join(work, "staged");
    const spec = join(work, `${name}.spec`);
    fs.writeFileSync(spec, specFile(name, files, staged, epoch));

    stage(files, staged, epoch);
    const payload = options.fast ? "w1.gzdio" : "w19.zstdio";
    run(
      [
        "rpmbuild",
        "-bb",
        "--target",
        `${architecture}-linux`,
        "--define",
        `_topdir ${work}/top`,
        "--define",
        `_rpmdir ${work}/out`,
        "--define",
        `_binary_payload ${payload}`,
        "--define",
        "_buildhost localhost",
        "--define",
        "use_source_date_epoch_as_buildtime 1",
        "--define",
        "clamp_mtime_to_source_date_epoch 1",
        spec,
      ],
      { env: { SOURCE_DATE_EPOCH: String(epoch), HOME: work } },
    );
    const made = fs.readdirSync(join(work, "out", architecture)).find((file) => file.endsWith(".rpm"));
    if (made === undefined) throw new Error("rpmbuild made no package");
    const target = join(output, made);
    fs.renameSync(join(work, "out", architecture, made), target);
    return target;
  } finally {
    fs.rmSync(work, { recursive: true, force: true });
  }
}

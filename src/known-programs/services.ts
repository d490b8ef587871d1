import type { ByteString } from "../../ffi/bytes.ts";
import { baseName } from "../../ffi/paths.ts";
import { git } from "./git.ts";
import type { Program } from "./program.ts";
import { borg, rsync, scp, sftpServer, unison } from "./transfer.ts";
import { cvs, hg, svnserve } from "./versions.ts";

/** The usual purposes of an account with the limited shell. */
export const USUAL_PROGRAMS: readonly ByteString[] = [
  ...["/usr/lib/openssh/sftp-server", "/usr/libexec/openssh/sftp-server", "/usr/lib/ssh/sftp-server"],
  ...["/usr/bin/scp", "/usr/bin/rsync"],
];

/** A service for an account with the limited shell: its name, and its row of the table. */
export interface Service {
  readonly name: ByteString;
  readonly program: Program;
  /** Base names of the files: required ones, and optional ones. */
  readonly needs: readonly ByteString[];
  readonly uses: readonly ByteString[];
  /** Directories to search, in order. */
  readonly directories: readonly ByteString[];
  /** The section of jk_init.ini that brings it; undefined for none. */
  readonly section: ByteString | undefined;
}

const USUAL = ["/usr/bin", "/bin", "/usr/local/bin"];

// As in the section sftp of jk_init.ini.
const SFTP = [
  ...["/usr/lib/openssh", "/usr/lib", "/usr/lib/ssh", "/usr/libexec/openssh", "/usr/libexec"],
  ...["/usr/libexec/ssh", "/usr/lib/misc"],
];

function service(
  name: ByteString,
  program: Program,
  section: ByteString | undefined,
  more: Partial<Service> = {},
): Service {
  const needs = program.names.slice(0, 1);
  return { name, program, needs, uses: [], directories: USUAL, section, ...more };
}

/** The services. Without mosh-server, which starts an interactive session: the limited shell refuses that. */
export const SERVICES: readonly Service[] = [
  service("sftp", sftpServer, "sftp", { directories: SFTP }),
  service("scp", scp, "scp"),
  service("rsync", rsync, "rsync"),
  service("git", git, "gitserver", {
    needs: ["git-upload-pack", "git-receive-pack"],
    uses: ["git-upload-archive"],
  }),
  service("hg", hg, undefined),
  service("svn", svnserve, undefined),
  service("cvs", cvs, "cvs"),
  service("unison", unison, undefined),
  service("borg", borg, undefined),
];

/** The service with this name, or with a program of this name; undefined for none. */
export function serviceNamed(name: ByteString): Service | undefined {
  return (
    SERVICES.find((one) => one.name === name) ?? SERVICES.find(({ program }) => program.names.includes(name))
  );
}

/** The files of a service that `isThere` finds, and the base names of missing ones. `preferred`: paths to try first. */
export function filesOf(
  { needs, uses, directories }: Service,
  isThere: (path: ByteString) => boolean,
  preferred: readonly ByteString[] = [],
): { paths: ByteString[]; missing: ByteString[] } {
  const paths: ByteString[] = [];
  const missing: ByteString[] = [];
  for (const name of [...needs, ...uses]) {
    const usual = directories.map((directory) => `${directory}/${name}`);
    const found = [...preferred.filter((path) => baseName(path) === name), ...usual].find(isThere);
    if (found !== undefined) paths.push(found);
    else if (needs.includes(name)) missing.push(name);
  }
  return { paths, missing };
}

import type { ByteString } from "../../ffi/bytes.ts";
import { baseName } from "../../ffi/paths.ts";
import { git } from "./git.ts";
import type { Program } from "./program.ts";
import { borg, rsync, scp, sftpServer, unison } from "./transfer.ts";
import { cvs, hg, svnserve } from "./versions.ts";

/** What an account of the limited shell may be for: a name, and the program of the table that it takes. */
export interface Service {
  readonly name: ByteString;
  readonly program: Program;
  /** Base names of the files: those that it cannot do without, and those that it may use. */
  readonly needs: readonly ByteString[];
  readonly uses: readonly ByteString[];
  /** Where they may be, the first counts. */
  readonly directories: readonly ByteString[];
  /** The section of jk_init.ini that brings it; undefined where none does. */
  readonly section: ByteString | undefined;
}

const USUAL = ["/usr/bin", "/bin", "/usr/local/bin"];

// Where distributions keep it, as the section sftp of jk_init.ini.
const SFTP = [
  "/usr/lib/openssh",
  "/usr/lib",
  "/usr/lib/ssh",
  "/usr/libexec/openssh",
  "/usr/libexec",
  "/usr/libexec/ssh",
  "/usr/lib/misc",
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

/**
 * What can be asked for by name. mosh-server is not among them: it starts an interactive session, which the limited
 * shell refuses.
 */
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

/** The service of a name, or of the name of its program; undefined for none. */
export function serviceNamed(name: ByteString): Service | undefined {
  return (
    SERVICES.find((one) => one.name === name) ?? SERVICES.find(({ program }) => program.names.includes(name))
  );
}

/**
 * The files of a service, as `isThere` finds them: their paths, and the base names that are missing. `preferred` are
 * paths that count before the usual ones.
 */
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

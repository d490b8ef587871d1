import { git } from "./git.ts";
import type { Program, ProgramEnvironment } from "./program.ts";
import { borg, rsync, scp, sftpServer, unison } from "./transfer.ts";
import { cvs, hg, moshServer, svnserve } from "./versions.ts";

/** The server programs that the limited shell knows. What is not here is started as it is. */
export const PROGRAMS: readonly Program[] = [
  sftpServer,
  scp,
  rsync,
  git,
  hg,
  svnserve,
  cvs,
  unison,
  borg,
  moshServer,
];

/** What every program gets, known or not: Python would load code from ~/.local/lib (site, usercustomize, *.pth). */
export const EVERY_PROGRAM: ProgramEnvironment = { set: { PYTHONNOUSERSITE: "1" } };

/** Where the known programs look for others: directories that root alone can write. */
export const PROGRAM_PATH = "/usr/bin:/bin";

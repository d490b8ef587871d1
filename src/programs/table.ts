import { git } from "./git.ts";
import type { Program, ProgramEnvironment } from "./program.ts";
import { borg, rsync, scp, sftpServer, unison } from "./transfer.ts";
import { cvs, hg, moshServer, svnserve } from "./versions.ts";

/** The server programs that the limited shell knows. Others are started without special rules. */
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

/** For every program, known or not: Python would load code from ~/.local/lib (site, usercustomize, *.pth). */
export const EVERY_PROGRAM: ProgramEnvironment = { set: { PYTHONNOUSERSITE: "1" } };

/** PATH for known programs: directories that only root can write. */
export const PROGRAM_PATH = "/usr/bin:/bin";

import { git } from "./git.ts";
import { borg, rsync, scp, sftpServer, unison } from "./transfer.ts";
import { cvs, hg, moshServer, svnserve } from "./versions.ts";

/** The server programs that the limited shell knows. Others are started without special rules. */
export const PROGRAMS = [sftpServer, scp, rsync, git, hg, svnserve, cvs, unison, borg, moshServer] as const;

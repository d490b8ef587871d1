import { startTool } from "../cli/start.ts";
import { defineTool } from "../cli/tool.ts";
import { launch } from "../enter/launch/launch.ts";
import { LAUNCH_OPTIONS, launchRequest } from "../enter/launch/options.ts";

/** jk_chrootlaunch(8): starts a daemon in a jail. */
export const tool = defineTool({
  name: "jk_chrootlaunch",
  operandsOfProgram: true,
  summary: "start a daemon in a jail",
  synopsis: [
    "-j JAIL -x PROGRAM [OPTION...] [--] [ARGUMENT...]",
    "-x PROGRAM [OPTION...] [--] JAIL [ARGUMENT...]",
  ],
  options: LAUNCH_OPTIONS,
  exitStatus: {
    0: "with --daemon: the program was executed; otherwise the program's exit status",
    1: "wrong options, or no such user, group or capability",
    21: "no jail was given",
    23: "no program was given",
    25: "the jail is not safe, or missing",
    27: "the jail is not an absolute path",
    29: "the program is missing, or users other than root can change it",
    31: "the program cannot be executed",
    33: "the jail cannot be entered",
    35: "chroot(2) failed: not started by root",
    37: "the groups cannot be set",
    39: "the user or the filter on the terminal cannot be set, or the capabilities cannot be dropped",
    106: "the program cannot be confined, in a way that the options ask for",
  },
  notes:
    "Without -u the program runs as root, which no jail can hold; a warning says so. The program gets " +
    "the whole environment of jk_chrootlaunch, which USER can read: if it is not meant for USER, start jk_chrootlaunch by env -i " +
    "and its full path. The umask " +
    "is unchanged, and so are limits without --limits; descriptors above 2 are closed. With --keep-caps a program can, for example, bind a port below " +
    "1024 (net_bind_service) without being root.",
  run: ({ options, operands }) => launch(launchRequest(options, operands)),
});

if (import.meta.main) await startTool(tool);

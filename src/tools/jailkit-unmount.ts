import { unmountJail } from "../jails/live.ts";
import { liveTool } from "../jails/live-tool.ts";

/** `jailkit unmount`: unmounts directories of the host from jails. */
export const tool = liveTool({
  name: "jailkit unmount",
  summary: "unmount the host's directories from jails",
  act: unmountJail,
  verb: "unmount",
  done: "unmounted",
  success: "none of the named jails has a directory of the host mounted by jk_init or jailkit mount",
  left: {
    description:
      "only what a jail shows by /etc/fstab and not by its record, because somebody deleted or emptied it or created it anew; the lines are taken out of /etc/fstab, too",
  },
  notes:
    "Nobody can log in to a live jail without them, until 'jailkit mount' mounts the directories again, or the machine is booted: the lines in /etc/fstab stay, except with --left. A directory in use is an error, and stays mounted.",
});

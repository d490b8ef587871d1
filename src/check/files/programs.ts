import type { ByteString } from "../../../ffi/bytes.ts";
import { display } from "../../cli/display.ts";
import type { CheckFinding } from "../rules.ts";

// Programs that no ordinary jail needs, and what an attacker does with them. Shells and interpreters are not among
// them: jails are made for those.
const GROUPS: readonly (readonly [why: string, names: string])[] = [
  ["changes the user", "su sudo sudoedit doas pkexec runuser newgrp sg setpriv capsh login ssu super"],
  ["changes accounts", "passwd chsh chfn gpasswd chage usermod useradd userdel groupmod vipw vigr chpasswd"],
  [
    "enters or leaves roots and namespaces",
    "chroot pivot_root switch_root unshare nsenter schroot fakechroot",
  ],
  ["maps ids for namespaces", "newuidmap newgidmap"],
  ["mounts file systems", "mount umount fusermount fusermount3 mount.nfs mount.cifs losetup cryptsetup"],
  ["starts containers", "bwrap firejail nsjail docker podman runc crun lxc-attach lxc-start machinectl"],
  ["makes devices or reads disks", "mknod debugfs fsck dumpe2fs e2image parted fdisk"],
  ["loads code into the kernel", "insmod modprobe rmmod kmod kexec bpftool bpftrace"],
  ["looks into other processes", "gdb lldb strace ltrace gcore perf reptyr gdbserver"],
  ["sets capabilities", "setcap"],
  [
    "starts programs outside the session",
    "systemd-run systemctl crontab at batch atd dbus-launch start-stop-daemon",
  ],
  ["enters a jail", "jk_chrootsh jk_uchroot jk_chrootlaunch jk_procmailwrapper"],
  ["reads the network", "tcpdump dumpcap tshark"],
];

const REASONS: ReadonlyMap<string, string> = new Map(
  GROUPS.flatMap(([why, names]) => names.split(" ").map((name): [string, string] => [name, why])),
);

/** Where programs are started from by name. */
const PROGRAM_DIRECTORY = /^\/(?:usr\/(?:local\/)?)?s?bin\/[^/]+$/;

/** A program that helps to leave a jail, by its name in a directory of programs; `jailPath` as the jail sees it. */
export function programFindings(jailPath: ByteString, path: ByteString): CheckFinding[] {
  if (!PROGRAM_DIRECTORY.test(jailPath)) return [];
  const why = REASONS.get(jailPath.slice(jailPath.lastIndexOf("/") + 1));
  if (why === undefined) return [];
  const message = `${display(path)} is a program that ${why}: few jails need it`;
  return [{ rule: "dangerous-program", path, jailPath, message }];
}

const LOADER_FILES: Readonly<Record<string, string>> = {
  "/etc/ld.so.preload": "is loaded into every program of the jail",
};
const SHADOW = /^\/etc\/g?shadow-?$/;

/** Files that matter by their name alone. */
export function namedFileFindings(jailPath: ByteString, path: ByteString): CheckFinding[] {
  const common = { path, jailPath };
  const why = Object.hasOwn(LOADER_FILES, jailPath) ? LOADER_FILES[jailPath] : undefined;
  if (why !== undefined)
    return [{ ...common, rule: "preload", message: `${display(path)} ${why}: what it names` }];
  if (!SHADOW.test(jailPath)) return [];
  const message = `${display(path)} holds password hashes, which nothing in a jail needs`;
  return [{ ...common, rule: "shadow", message }];
}

import type { ByteString } from "../../../ffi/bytes.ts";
import { baseName } from "../../../ffi/paths.ts";
import { display } from "../../cli/display.ts";
import type { CheckFinding } from "../rules.ts";

// Programs that few jails need, and their use for an attacker. Shells and interpreters are not listed: many jails exist
// for them.
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

/** Directories in which programs are found by name. */
const PROGRAM_DIRECTORY = /^\/(?:usr\/(?:local\/)?)?s?bin\/[^/]+$/;

/** A program that helps to leave a jail, by its name. `jailPath` is as the jail sees it, `path` on the host. */
export function programFindings(jailPath: ByteString, path: ByteString): CheckFinding[] {
  if (!PROGRAM_DIRECTORY.test(jailPath)) return [];
  const why = REASONS.get(baseName(jailPath));
  if (why === undefined) return [];
  const message = `${display(path)} is a program that ${why}: few jails need it`;
  return [{ rule: "dangerous-program", path, jailPath, message }];
}

const SHADOW = /^\/etc\/g?shadow-?$/;

/** Files that are dangerous by their name alone. */
export function namedFileFindings(jailPath: ByteString, path: ByteString): CheckFinding[] {
  if (jailPath === "/etc/ld.so.preload") {
    const message = `${display(path)} makes every program of the jail load what it names`;
    return [{ rule: "preload", path, jailPath, message }];
  }
  if (!SHADOW.test(jailPath)) return [];
  const message = `${display(path)} holds password hashes, which nothing in a jail needs`;
  return [{ rule: "shadow", path, jailPath, message }];
}

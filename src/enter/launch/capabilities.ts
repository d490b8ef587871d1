import type { ByteString } from "../../../ffi/bytes.ts";
import { quoted } from "../../cli/display.ts";
import { JailkitError } from "../../cli/error.ts";
import { suggest } from "../../cli/suggest.ts";

// capabilities(7), in the order of their numbers
const NAMES = (
  "chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap linux_immutable net_bind_service " +
  "net_broadcast net_admin net_raw ipc_lock ipc_owner sys_module sys_rawio sys_chroot sys_ptrace sys_pacct sys_admin " +
  "sys_boot sys_nice sys_resource sys_time sys_tty_config mknod lease audit_write audit_control setfcap mac_override " +
  "mac_admin syslog wake_alarm block_suspend audit_read perfmon bpf checkpoint_restore"
).split(" ");

// With any of these a process can leave a chroot jail, or write to the host.
const ESCAPES =
  "sys_chroot sys_admin sys_ptrace sys_module sys_rawio mknod dac_read_search bpf checkpoint_restore".split(
    " ",
  );

/** A set of capabilities: bit N stands for capability N. */
export type CapabilitySet = bigint;

const bit = (name: string): CapabilitySet => 1n << BigInt(NAMES.indexOf(name));

/**
 * Reads a list of names of capabilities(7), with or without "cap_", in any case, separated by commas or blanks; "none"
 * or nothing is the empty set. Throws JailkitError (1) for an unknown name.
 */
export function parseCapabilities(list: ByteString): CapabilitySet {
  let set = 0n;
  for (const word of list.toLowerCase().split(/[, ]+/)) {
    const name = word.replace(/^cap_/, "");
    if (name === "" || word === "none") continue;
    if (!NAMES.includes(name)) {
      const near = suggest(name, NAMES);
      const hint = near === undefined ? "see capabilities(7)" : `did you mean 'cap_${near}'?`;
      throw new JailkitError("unknown-capability", 1, `there is no capability ${quoted(word)}; ${hint}`);
    }
    set |= bit(name);
  }
  return set;
}

/** The names in a set, with "cap_". */
export function capabilityNames(set: CapabilitySet): string[] {
  return NAMES.filter((name) => (set & bit(name)) !== 0n).map((name) => `cap_${name}`);
}

/** The names in a set with which a program can leave a jail. */
export function escapes(set: CapabilitySet): string[] {
  return capabilityNames(set).filter((name) => ESCAPES.includes(name.slice(4)));
}

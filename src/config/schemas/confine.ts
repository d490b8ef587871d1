import type { ByteString } from "../../../ffi/bytes.ts";
import type { KeyTable, KeyValues } from "../keys.ts";
import { type IniSection, keyPlace, type Problem } from "../model.ts";
import { flagKey } from "../values.ts";

/** A missing value differs from each that can be given, and an empty one is refused. */
const confining = { security: true, optional: true, filled: true } as const;

/** Keys of jk_lsh.ini, jk_chrootsh.ini and jk_uchroot.ini: what the kernel lets a session do. */
export const confineKeys = {
  confine: {
    ...confining,
    strictest: "require",
    kind: "choice",
    choices: { "0": "off", "1": "on", require: "require" },
    help: "1: no_new_privs, syscalls = login, scope = 1 and execute = system, where no key says otherwise; 0: none of these by itself; require: the same as 1, and a kernel that cannot do all that is asked refuses the session",
  },
  no_new_privs: {
    ...flagKey("setuid and setgid programs gain nothing (prctl(2), PR_SET_NO_NEW_PRIVS)"),
    optional: true,
    strictest: "1",
  },
  execute: {
    kind: "execute",
    strictest: "system",
    security: true,
    optional: true,
    help: "files that may be executed: system (the directories of programs that only root can write), system and more directories, or any",
  },
  read: {
    ...confining,
    strictest: "none",
    kind: "paths",
    help: "files and directories whose content may be read besides that of the system, as absolute paths in the jail; ~ is the home; none, or all",
  },
  write: {
    ...confining,
    strictest: "none",
    kind: "paths",
    help: "files and directories that may be written, and read, in the same form; none, or all",
  },
  network: {
    ...confining,
    strictest: "none",
    kind: "choice",
    choices: { all: "all", local: "local", none: "none" },
    help: "the sockets that may be created: all, local (AF_UNIX alone), or none",
  },
  tcp_connect: {
    ...confining,
    strictest: "none",
    kind: "ports",
    help: "TCP ports to connect to; none, or all",
  },
  tcp_bind: { ...confining, strictest: "none", kind: "ports", help: "TCP ports to bind; none, or all" },
  syscalls: {
    ...confining,
    strictest: "login",
    kind: "choice",
    choices: { any: "any", login: "login" },
    help: "login: the system calls that no login needs fail; any: no limit",
  },
  scope: {
    ...flagKey("signals and abstract sockets reach only processes of the session"),
    ...confining,
    strictest: "1",
  },
  limits: {
    ...confining,
    strictest: "",
    kind: "limits",
    help: "hard limits, by the names of setrlimit(2): nofile 256, nproc 64, cpu 600, fsize 2G, as 4G, core 0",
  },
} as const satisfies KeyTable;

/** The values of these keys. */
export type ConfineValues = KeyValues<typeof confineKeys>;

/** The first of these keys whose value needs no_new_privs; undefined if none does. */
function needingNoNewPrivs(values: ConfineValues): ByteString | undefined {
  const given = (value: unknown) => value !== undefined && value !== "all" && value !== "any";
  if (values.confine !== undefined && values.confine !== "off") return "confine";
  if (given(values.execute)) return "execute";
  if (given(values.read)) return "read";
  if (given(values.write)) return "write";
  if (given(values.network)) return "network";
  if (given(values.tcpConnect)) return "tcp_connect";
  if (given(values.tcpBind)) return "tcp_bind";
  if (given(values.syscalls)) return "syscalls";
  return values.scope === true ? "scope" : undefined;
}

/** What a contradiction is about: a key that turns no_new_privs off, with its value, and one that needs it. */
interface Contradiction {
  off: "allow_setuid" | "no_new_privs";
  setting: string;
  needing: ByteString;
}

/**
 * Keys that contradict each other: what a user's process limits for itself needs no_new_privs, which `no_new_privs = 0` and
 * `allow_setuid = 1` turn off. Undefined if there are none.
 */
export function contradictionOf(
  values: ConfineValues & { allowSetuid?: boolean },
): Contradiction | undefined {
  const setuid = values.allowSetuid === true;
  if (!setuid && values.noNewPrivs !== false) return undefined;
  const needing = setuid && values.noNewPrivs ? "no_new_privs" : needingNoNewPrivs(values);
  if (needing === undefined) return undefined;
  return setuid
    ? { off: "allow_setuid", setting: "allow_setuid = 1", needing }
    : { off: "no_new_privs", setting: "no_new_privs = 0", needing };
}

/** The error of a section whose keys contradict each other; undefined if none do. */
export function confineProblem(
  section: IniSection,
  values: ConfineValues & { allowSetuid?: boolean },
): Problem | undefined {
  const found = contradictionOf(values);
  if (found === undefined) return undefined;
  const { off, setting, needing } = found;
  const message = `'${setting}' contradicts '${needing}', which needs no_new_privs: only one can hold`;
  return { ...keyPlace(section, off), severity: "error", code: "contradiction", message };
}

import type { ByteString } from "../../../ffi/bytes.ts";
import { display } from "../../cli/display.ts";
import type { PamAnswer, PamSubject } from "./stack.ts";

const FILE = "/etc/security/access.conf";
const DIRECTORY = "/etc/security/access.d";

/** Whether a list of users of access.conf(5) names somebody; undefined where that is not known here. */
function namesUser(list: ByteString, { name, groups }: PamSubject): boolean | undefined {
  const items = list.split(/[\s,]+/).filter((item) => item !== "");
  if (items.some((item) => item === "EXCEPT" || item.startsWith("@") || item.includes("@"))) return undefined;
  return items.some((item) => {
    const group = /^\((.*)\)$/.exec(item)?.[1] ?? item;
    return item === "ALL" || item === name || groups.includes(group);
  });
}

/** Whether a list of origins names where the login comes from; undefined where that is not known here. */
function namesOrigin(list: ByteString, from: ByteString | undefined): boolean | undefined {
  const items = list.split(/[\s,]+/).filter((item) => item !== "");
  if (items.includes("EXCEPT")) return undefined;
  if (items.includes("ALL") || (from !== undefined && items.includes(from))) return true;
  // A name may be that of the address, a network may hold it, a terminal is none of sshd's.
  return items.every((item) => /^(?:tty\w+|:\d+|cron|crond|console)$/.test(item)) ? false : undefined;
}

/** What pam_access(8) says of somebody: the first line that names user and origin decides. Pure. */
export function judgeAccess(subject: PamSubject, words: readonly ByteString[]): PamAnswer {
  const named = words.find((word) => word.startsWith("accessfile="))?.slice("accessfile=".length);
  const unknown = (why: ByteString): PamAnswer => ({ result: "unknown", message: `pam_access: ${why}` });
  if (words.some((word) => /^(?:fieldsep|listsep|nodefgroup)/.test(word))) return unknown(words.join(" "));
  const more = subject.list(DIRECTORY).filter((name) => name.endsWith(".conf"));
  const files = named === undefined ? [FILE, ...more.map((name) => `${DIRECTORY}/${name}`)] : [named];
  for (const file of files) {
    for (const [index, raw] of (subject.read(file) ?? "").split("\n").entries()) {
      const line = raw.replace(/#.*/, "").trim();
      const [permission = "", users = "", ...rest] = line.split(":").map((field) => field.trim());
      if (permission !== "+" && permission !== "-") continue;
      const user = namesUser(users, subject);
      const origin = namesOrigin(rest.join(":"), subject.from);
      if (user === false || origin === false) continue;
      const place = `${file}:${index + 1}: ${display(line)}`;
      if (user === undefined || origin === undefined) return unknown(place);
      if (permission === "+") return { result: "success", message: "" };
      const remedy = `put a line before it: +:${subject.name}:ALL`;
      return { result: "perm_denied", message: `${place} (pam_access)`, remedy };
    }
  }
  return { result: "success", message: "" };
}

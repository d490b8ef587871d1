import { type ByteString, trim } from "../../../ffi/bytes.ts";
import { display } from "../../cli/display.ts";
import { inWords } from "../../cli/remedy.ts";
import { optionOf } from "./rules.ts";
import type { PamAnswer, PamSubject } from "./stack.ts";

const FILE = "/etc/security/access.conf";
const DIRECTORY = "/etc/security/access.d";

const SUCCESS: PamAnswer = { result: "success", message: "" };
const itemsOf = (list: ByteString) => list.split(/[\t-\r ,]+/).filter((item) => item !== "");

/** True if a list of users of access.conf(5) names the user; undefined if it cannot be decided here. */
function namesUser(list: ByteString, { name, groups }: PamSubject): boolean | undefined {
  const items = itemsOf(list);
  if (items.some((item) => item === "EXCEPT" || item.includes("@"))) return undefined;
  return items.some((item) => {
    const group = /^\((.*)\)$/.exec(item)?.[1] ?? item;
    return item === "ALL" || item === name || groups.includes(group);
  });
}

/** True if a list of origins names the origin of the login; undefined if it cannot be decided here. */
function namesOrigin(list: ByteString, from: ByteString | undefined): boolean | undefined {
  const items = itemsOf(list);
  if (items.includes("EXCEPT")) return undefined;
  if (items.includes("ALL") || (from !== undefined && items.includes(from))) return true;
  // A host name or network may match the address. A terminal never does for sshd.
  return items.every((item) => /^(?:tty\w+|:\d+|cron|crond|console)$/.test(item)) ? false : undefined;
}

/** The answer of pam_access(8) for a user: the first line that names user and origin decides. Pure. */
export function judgeAccess(subject: PamSubject, words: readonly ByteString[]): PamAnswer {
  const named = optionOf(words, "accessfile");
  const unknown = (why: ByteString): PamAnswer => ({ result: "unknown", message: `pam_access: ${why}` });
  if (words.some((word) => /^(?:fieldsep|listsep|nodefgroup)/.test(word))) return unknown(words.join(" "));
  const more = subject.list(DIRECTORY).filter((name) => name.endsWith(".conf"));
  const files = named === undefined ? [FILE, ...more.map((name) => `${DIRECTORY}/${name}`)] : [named];
  for (const file of files) {
    for (const [index, raw] of (subject.read(file) ?? "").split("\n").entries()) {
      const line = trim(raw.replace(/#.*/, ""));
      const [permission = "", users = "", ...rest] = line.split(":").map((field) => trim(field));
      if (permission !== "+" && permission !== "-") continue;
      const user = namesUser(users, subject);
      const origin = namesOrigin(rest.join(":"), subject.from);
      if (user === false || origin === false) continue;
      const place = `${file}:${index + 1}: ${display(line)}`;
      if (user === undefined || origin === undefined) return unknown(place);
      if (permission === "+") return SUCCESS;
      const advice = inWords(`put a line before it: +:${subject.name}:ALL`);
      return { result: "perm_denied", message: `${place} (pam_access)`, advice };
    }
  }
  return SUCCESS;
}

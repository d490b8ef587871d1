import { answered } from "../cli/error.ts";
import { type Fix, findEntry } from "../config/model.ts";
import { followLink } from "../jail/record/named-jail.ts";
import type { FactContext } from "./machine-facts.ts";
import type { Subject } from "./section.ts";

/** Neither sed(1) nor a config file takes such a path for anything else. */
const PLAIN = /^\/[\w./+@-]*\w$/;

/**
 * The fix for the path of a jail that leads through a symbolic link: the path to which it leads, there and in the users of the
 * same file. If something knows the jail by the link, the command after which its accounts and its record name that path, too. None
 * if others could lead it elsewhere, or if another section has that path.
 */
export function linkFix(subject: Subject, { facts, declared, sections }: FactContext): Fix {
  const real = facts.ownTarget(subject.name);
  // Who is not root does not know that.
  const isKnown = answered(facts.jails)?.includes(subject.name);
  if (real === undefined || isKnown === undefined || declared.includes(real)) return { kind: "none" };
  const follow = isKnown ? followLink(subject.name, true) : undefined;
  if (follow !== undefined) return { kind: "command", text: follow };
  if (isKnown || !PLAIN.test(real)) return { kind: "none" };
  const users = sections.flatMap((section) => {
    const entry = section.name.startsWith("user ") ? findEntry(section, "jail") : undefined;
    return entry?.value === subject.name && entry.file === subject.file ? [entry.line] : [];
  });
  const lines = [`${subject.line}s#.*#[jail ${real}]#`, ...users.map((line) => `${line}s#=.*#= ${real}#`)];
  return { kind: "strip", expression: lines.join(";") };
}

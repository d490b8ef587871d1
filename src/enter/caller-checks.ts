import { baseName } from "../../ffi/paths.ts";
import { type Advice, allAdvice, inWords } from "../cli/remedy.ts";
import { type Check, check, failed, type Note, passed, type Verdict, warned } from "./checks.ts";
import type { CallerFacts } from "./facts.ts";
import { createGroup } from "./remedies.ts";

function judgeAccount(facts: CallerFacts): Verdict {
  const name = facts.userVariable;
  const entry = facts.account();
  if (name !== undefined && name !== "") {
    const advice = inWords(
      "start it with USER set to the name of the account that the process runs as, or unset",
    );
    if (entry === undefined) {
      return failed(`abort, failed to get user information for user ${name}, check /etc/passwd`, advice);
    }
    if (entry.name !== name) {
      return failed(`abort, asked for user ${name}, got user info for ${entry.name}`, advice);
    }
    if (entry.uid !== facts.uid) {
      const what = `started by user ID ${facts.uid}, got user info ${entry.name} with user ID ${entry.uid}`;
      return failed(`abort, ${what}`, advice);
    }
  } else if (entry === undefined) {
    const what = `failed to get user information for user ID ${facts.uid}, check /etc/passwd`;
    const why = "if getent(1) shows nothing, the account is missing or its name service is down";
    return failed(`abort, ${what}; ${why}`, `getent passwd ${facts.uid}`);
  }
  if (entry.name === "") {
    const what = `got an empty username for user ID ${facts.uid}, check /etc/passwd`;
    return failed(`abort, ${what}, and give that line a name`, "vipw");
  }
  return passed(`user ${entry.name} (${entry.uid})`);
}

function judgeConfigDirectory(facts: CallerFacts): Verdict {
  const findings = facts.configFindings();
  const safe = `${facts.configDirectory} is owned by root and not writable by others`;
  if (findings.length === 0) return passed(safe);
  const bad = findings.filter((finding) => !finding.tolerated);
  const notes = findings.map(
    (finding): Note => ({ severity: finding.tolerated ? "warning" : "err", message: finding.message }),
  );
  const advice = allAdvice(findings.map((finding) => finding.advice));
  if (bad.length > 0) {
    const what = `jailkit configuration directory ${facts.configDirectory} is not safe`;
    const rule = "it should be owned 0:0 and not writable for others";
    return failed(`abort, ${what}; ${rule}`, advice, notes);
  }
  return warned(`${facts.configDirectory} is writable by its group`, advice, notes);
}

/** The check of argv[0]: the tool must be called by one of `names`. Exit status 1. */
export function programName(tool: string, names: readonly string[]): Check<CallerFacts> {
  const shown = "the program was started under a name that it does not know";
  return check("program-name", 1, shown, [], ({ programName: given }) =>
    names.includes(baseName(given))
      ? passed(`called as ${given}`)
      : failed(`abort, ${tool} is called as ${given}`, inWords(`call it as ${names.join(", ")}`)),
  );
}

/**
 * The checks of who calls a program that any user may start, in the order of jailkit 2.23: the privilege (exit status
 * 11), root (12), the account and its groups (13).
 */
export function callerChecks<F extends CallerFacts>(
  tool: string,
  rootAdvice: (facts: F) => Advice,
): Check<F>[] {
  return [
    check("privilege", 11, "the program has lost the right to enter a jail", [], (facts) => {
      const { held, reason, advice } = facts.privilege();
      if (held === "unknown") return { outcome: "unknown", message: reason, advice };
      if (held) return passed(reason);
      return failed(`abort, CAP_SYS_CHROOT is missing: ${reason}`, advice);
    }),
    check("not-root", 12, "root cannot be jailed", [], (facts) => {
      if (facts.uid !== 0) return passed(`user ID ${facts.uid}`);
      const why = "which does not make sense because user root can break out of a jail anyway";
      return failed(`abort, ${tool} is run by root, ${why}`, rootAdvice(facts));
    }),
    // What follows would advise to make a home and lines for root.
    check("account", 13, "the account is not known", ["not-root"], judgeAccount),
    check("group", 13, "the group of the account is not known", [], (facts) => {
      const group = facts.group();
      if (group !== undefined) return passed(`group ${group.name} (${group.gid})`);
      const what = `failed to get group information for group ID ${facts.gid}, check /etc/group`;
      const { uid, gid } = facts;
      return failed(`abort, ${what}`, createGroup({ name: facts.account()?.name ?? "", uid, gid }));
    }),
    check("groups", 13, "the groups of the account cannot be read", [], (facts) =>
      passed(`group IDs ${facts.groups().join(" ")}`),
    ),
  ];
}

/** The check of the configuration directory, after those of the caller. */
export const CONFIG_DIRECTORY_CHECK: Check<CallerFacts> = check(
  "config-directory",
  14,
  "the configuration is not safe",
  [],
  judgeConfigDirectory,
);

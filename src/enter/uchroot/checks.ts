import type { ByteString } from "../../../ffi/bytes.ts";
import { display } from "../../cli/display.ts";
import { inWords, type Remedy } from "../../cli/remedy.ts";
import { shellWord } from "../../cli/shell-word.ts";
import { commandAt } from "../../system/exchange.ts";
import { dirsEqual } from "../../system/separator.ts";
import { CONFIG_DIRECTORY_CHECK, callerChecks, programName } from "../caller-checks.ts";
import {
  type Check,
  check,
  failed,
  jailVerdict,
  notPlain,
  passed,
  settingsVerdict,
  unreachable,
  type Verdict,
  warned,
} from "../checks.ts";
import { accountOf } from "../facts.ts";
import { jailAccountChecks } from "../jail-account-checks.ts";
import {
  appendRemedy,
  copyRemedy,
  isRootsProgram,
  isSectionName,
  jailSideRemedy,
  sectionLinesRemedy,
} from "../remedies.ts";
import { type UchrootFacts, uchrootSettingsOf } from "./facts.ts";

const TOOL = "jk_uchroot";

function judgeSettings(facts: UchrootFacts): Verdict {
  const settings = facts.settings();
  if (settings.kind === "none") {
    return failed(`abort, ${settings.reason}`, allowRemedy(facts, []));
  }
  const found = `section [${settings.section}] of ${facts.configFile}`;
  return settingsVerdict(found, settings.warnings, facts.configFile);
}

/**
 * A path that can be one item of a list, on one line. Any user may ask for any path: one that would add anything else to
 * jk_uchroot.ini is not in a remedy.
 */
const isOneItem = (path: ByteString) =>
  display(path) === path && /^\/(?! )[\w@+=:./~\x80-\xff -]*$/.test(path) && !path.endsWith(" ");

/** The lines that allow these jails and the requested one; empty if there are none. */
function allowRemedy(facts: UchrootFacts, jails: readonly ByteString[]): Remedy {
  const { askedJail, configFile } = facts;
  const settings = facts.settings();
  // A [DEFAULT] that allows no jail, such as one with log_format alone, is not to let everybody into this one.
  const section = settings.section === "DEFAULT" && jails.length === 0 ? undefined : settings.section;
  if (!isOneItem(askedJail) || (section === undefined && !isSectionName(accountOf(facts).name))) return "";
  const line = `allowed_jails = ${[...jails, askedJail].join(", ")}`;
  return section === undefined
    ? appendRemedy(configFile, [`[${accountOf(facts).name}]`, line])
    : sectionLinesRemedy(configFile, section, [line]);
}

function judgeAllowed(facts: UchrootFacts): Verdict {
  const { askedJail } = facts;
  const fact = facts.allowedJail();
  if (fact.kind === "opened") return passed(`jail ${askedJail} is ${fact.listed}, which is allowed`);
  if (fact.kind !== "not-allowed") return passed(`jail ${askedJail} is allowed`);
  const { name, uid } = accountOf(facts);
  return failed(
    `abort, user ${name} (${uid}) is not allowed in jail ${askedJail}, according to ${facts.configFile}`,
    allowRemedy(facts, uchrootSettingsOf(facts).allowedJails),
  );
}

function judgeReachable(facts: UchrootFacts): Verdict {
  const fact = facts.allowedJail();
  return fact.kind === "unreachable" ? unreachable(facts.askedJail, fact) : passed("the jail is there");
}

function judgePath(facts: UchrootFacts): Verdict {
  const fact = facts.allowedJail();
  if (fact.kind !== "not-plain") return passed("the path of the jail is plain");
  const real = (one: ByteString) => (dirsEqual(one, facts.askedJail) ? (fact.real ?? "JAIL") : one);
  const jails = uchrootSettingsOf(facts).allowedJails.map(real);
  return notPlain(facts.askedJail, fact, allowRemedy(facts, jails));
}

function judgeProgram(facts: UchrootFacts): Verdict {
  const { askedProgram } = facts;
  const fact = facts.program();
  const jail = facts.jailPath();
  if (fact.kind === "missing") {
    const absolute = askedProgram.startsWith("/") ? askedProgram : `/${askedProgram}`;
    // The caller has chosen the path.
    const advice = isRootsProgram(absolute) ? (fact.advice ?? copyRemedy(jail, absolute)) : "";
    return failed(`abort, ${askedProgram} in jail ${jail}: ${fact.reason}`, advice);
  }
  if (fact.setuid === undefined || uchrootSettingsOf(facts).allowSetuid)
    return passed(`${askedProgram} is there`);
  const message = `${askedProgram} in jail ${jail} is setuid or setgid, which has no effect without allow_setuid`;
  const advice = commandAt(fact.setuid, `chmod u-s,g-s ${shellWord(fact.setuid)}`);
  return warned(message, advice, [{ severity: "notice", message }]);
}

function judgeForeignGroups(facts: UchrootFacts): Verdict {
  const foreign = facts.foreignGroups();
  if (foreign.length === 0) return passed("the jail knows all groups of the user");
  const { name, uid } = accountOf(facts);
  const list = foreign.map(({ gid, entry }) => (entry === undefined ? `${gid}` : `${gid} (${entry.name})`));
  const file = `${facts.jailPath()}/etc/group`;
  const message = `user ${name} (${uid}) keeps the supplementary groups ${list.join(", ")}, which ${file} lacks`;
  return warned(message, jailSideRemedy(facts.jailPath(), name), [{ severity: "notice", message }]);
}

/** The checks of the caller of jk_uchroot, before its options are read. */
export const UCHROOT_CALLER_CHECKS: readonly Check<UchrootFacts>[] = [
  programName(TOOL, [TOOL, `-${TOOL}`]),
  ...callerChecks(TOOL, () => inWords("start it as the user who should run the program; root has chroot(8)")),
];

const NO_SETTINGS = "there is no configuration for this account, or it cannot be used";

/** The checks on the host, in the order of jailkit 2.23, except that the permission comes first. */
export const UCHROOT_HOST_CHECKS: readonly Check<UchrootFacts>[] = [
  CONFIG_DIRECTORY_CHECK,
  check("config-file", 1, NO_SETTINGS, ["account", "group"], judgeSettings),
  check("jail-allowed", 21, "this jail is not allowed", ["config-file"], judgeAllowed),
  check("jail-reachable", 19, "the jail cannot be reached", ["jail-allowed"], judgeReachable),
  check("jail-path", 21, "the path of the jail is not plain", ["jail-reachable"], judgePath),
  check("jail-safety", 53, "the jail is not safe", ["jail-path"], (facts) =>
    jailVerdict(facts.jailPath(), facts.jailFindings()),
  ),
  check("program", 1, "there is no such program in the jail", ["jail-path"], judgeProgram),
];

const NEEDS = ["jail-path", "account", "group"];
const BOTH = {
  jail: (facts: UchrootFacts) => facts.jailPath(),
  skip: (facts: UchrootFacts) => uchrootSettingsOf(facts).skipInjailPasswdCheck,
};

/** The checks of jk_uchroot in the jail, in the order of jailkit 2.23. */
export const UCHROOT_IN_JAIL_CHECKS: readonly Check<UchrootFacts>[] = [
  ...jailAccountChecks(BOTH, NEEDS),
  check("supplementary-groups", 35, "the groups of the jail cannot be read", NEEDS, judgeForeignGroups),
];

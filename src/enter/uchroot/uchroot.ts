import type { ByteString } from "../../../ffi/bytes.ts";
import { args, environment, execve, variable } from "../../../ffi/guard.ts";
import { printAbout } from "../../cli/about.ts";
import { answered } from "../../cli/error.ts";
import { tryPrintError } from "../../cli/output.ts";
import { confinementText } from "../../confine/describe.ts";
import { type Confinement, confinementOf, executeOf } from "../../confine/policy.ts";
import { filterEnvironment } from "../../limited-shell/environment.ts";
import type { Audit } from "../audit.ts";
import { confineSession } from "../confine-session.ts";
import { accountOf } from "../facts.ts";
import { notExecuted, ownLogin, requireChecks, runPrivileged } from "../privileged.ts";
import { enterJail } from "../session.ts";
import { UCHROOT_CALLER_CHECKS, UCHROOT_HOST_CHECKS, UCHROOT_IN_JAIL_CHECKS } from "./checks.ts";
import { type UchrootSettings, uchrootSettingsOf } from "./facts.ts";
import { type GatheredUchrootFacts, gatherUchroot } from "./gather.ts";
import { readUchrootArguments, UCHROOT_HELP, type UchrootRequest } from "./options.ts";

const TOOL = "jk_uchroot";

type RunRequest = Extract<UchrootRequest, { kind: "run" }>;

/** The environment of the program: the harmless part of the caller's, and the variables that the settings name. */
export function uchrootEnvironment(given: readonly string[], kept: readonly string[]): string[] {
  return [...filterEnvironment(given, kept)].map(([name, value]) => `${name}=${value}`);
}

/** The confinement of a session whose home in the jail is `home`; "" if that is not known. */
export function uchrootConfinement(settings: UchrootSettings, home: ByteString): Confinement {
  // Without allow_setuid, programs gain nothing even if `confine` is off.
  const values = { ...settings, noNewPrivs: settings.noNewPrivs ?? !settings.allowSetuid };
  const byDefault = !settings.allowSetuid;
  return confinementOf(values, byDefault, executeOf(values, byDefault, [], home), home);
}

function enter(request: RunRequest, facts: GatheredUchrootFacts, log: Audit): never {
  requireChecks(facts, UCHROOT_HOST_CHECKS, log);
  const { uid, gid } = facts;
  const { env } = uchrootSettingsOf(facts);
  const confinementIn = (home: ByteString) => uchrootConfinement(uchrootSettingsOf(facts), home);
  const account = accountOf(facts);
  const { program, programArguments } = request;
  const root = facts.root();
  // Now: there may be no name service inside the jail.
  facts.hostGroups();
  log.learn({ jail: () => root.path });
  log.write(
    "info",
    `now entering jail ${root.path} for user ${account.name} (${uid}) with executable ${program}`,
    {
      outcome: "allowed",
      executable: program,
      args: [program, ...programArguments],
      confinement: () => confinementText(confinementIn("")),
    },
  );

  enterJail(root, { uid, gid, groups: facts.groups() }, confinementIn("").noNewPrivs, log);
  // From here on the process has only the user's rights, and sees only the jail.
  requireChecks(facts, UCHROOT_IN_JAIL_CHECKS, log);
  const inside = answered(() => facts.inJail());
  const confinement = confinementIn((inside?.named ?? inside?.numbered)?.home ?? "");
  confineSession(confinement, { log });
  try {
    const { limits } = confinement;
    return execve(program, [program, ...programArguments], uchrootEnvironment(environment(), env), {
      limits,
    });
  } catch (error) {
    const place = `${program} in ${root.path}`;
    throw notExecuted(error, program, account, place, "the program cannot be executed");
  }
}

/**
 * jk_uchroot: checks whether the caller may enter the jail, enters it, drops its privilege and becomes the program; see
 * runPrivileged.
 */
export function uchroot(): number {
  const request = readUchrootArguments(args().slice(1));
  if (request.kind === "help" || request.kind === "version") {
    printAbout(UCHROOT_HELP, request.kind);
    return 0;
  }
  return runPrivileged(TOOL, (log) => {
    const { jail, program } = request.kind === "run" ? request : { jail: "", program: "" };
    const facts = gatherUchroot({ ...ownLogin(TOOL, variable("USER"), log), jail, program });
    log.learn({ jail: () => jail });
    requireChecks(facts, UCHROOT_CALLER_CHECKS, log);
    if (request.kind === "run") return enter(request, facts, log);
    tryPrintError(`${TOOL}: ${request.message}; see '${TOOL} --help'`);
    return 1;
  });
}

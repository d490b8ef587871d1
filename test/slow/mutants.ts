/**
 * Mutants of the security kernel, as data: each is a rule of the code, changed, and the test that must fail then.
 * mutants.test.ts runs them.
 */

import { ALLOW_MUTANTS } from "./mutants/allow.ts";
import { APPLY } from "./mutants/apply.ts";
import { AUDIT } from "./mutants/audit.ts";
import { COMMANDS } from "./mutants/commands.ts";
import { CONFINE } from "./mutants/confine.ts";
import { CONFINEMENT } from "./mutants/confinement.ts";
import { DECLARATION } from "./mutants/declaration.ts";
import { GUARD } from "./mutants/guard.ts";
import { JAIL } from "./mutants/jail.ts";
import { JOBS } from "./mutants/jobs.ts";
import { LOG_SOCKET } from "./mutants/log-socket.ts";
import { LOGIN } from "./mutants/login.ts";
import type { Mutant } from "./mutants/mutant.ts";
import { PLANS } from "./mutants/plans.ts";
import { PROGRAMS } from "./mutants/programs.ts";
import { REMOVAL } from "./mutants/removal.ts";
import { SHELL } from "./mutants/shell.ts";
import { SOURCES } from "./mutants/sources.ts";
import { TRANSFER } from "./mutants/transfer.ts";

export const MUTANTS: readonly Mutant[] = [
  ...GUARD,
  ...SHELL,
  ...COMMANDS,
  ...ALLOW_MUTANTS,
  ...PROGRAMS,
  ...LOGIN,
  ...AUDIT,
  ...CONFINE,
  ...CONFINEMENT,
  ...LOG_SOCKET,
  ...REMOVAL,
  ...JAIL,
  ...SOURCES,
  ...PLANS,
  ...TRANSFER,
  ...JOBS,
  ...DECLARATION,
  ...APPLY,
];

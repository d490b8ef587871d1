import { readKeys } from "../../config/keys.ts";
import { chrootshKeys } from "../../config/schemas/chrootsh.ts";
import { type GatheredFacts, gatherFacts, type Login, memoized } from "../gather.ts";
import { shellFact } from "../shell.ts";
import { PROCMAIL } from "./checks.ts";

/**
 * The facts of a delivery: those of a login without a configuration, and with procmail as the program. procmail checks
 * itself who else can write to the home.
 */
export function gatherProcmail(login: Login): GatheredFacts {
  const facts = gatherFacts(login);
  return {
    ...facts,
    settings: memoized(() => ({
      values: readKeys(undefined, chrootshKeys),
      section: undefined,
      warnings: [],
    })),
    shell: memoized(() => shellFact(facts.root(), PROCMAIL, login.asked)),
  };
}

import type { ByteString } from "../../../ffi/bytes.ts";
import { withRightsOf } from "../../../ffi/rights.ts";
import { inWords } from "../../cli/remedy.ts";
import type { LimitedPolicy } from "../../enter/limited/limited.ts";
import { LIMITED_SHELL } from "../../enter/shell.ts";
import { hookedRepositories, SHARED } from "../../known-programs/hooked-repositories.ts";
import { hooksWarning } from "../../known-programs/hooks.ts";
import { recognise, startsOf } from "../../known-programs/recognise.ts";
import { ownStartWarning } from "../../known-programs/warnings.ts";
import { ownStart } from "../../libraries/program-file.ts";
import { stepsOf } from "../steps.ts";
import { NOT_EXECUTABLE } from "./execute.ts";
import type { Shell } from "./limited-session.ts";

const step = stepsOf(LIMITED_SHELL);
const asRoot = <T>(work: () => T) => withRightsOf(undefined, work);

/** Adds problems of a known server. `asked`: it is the command. */
export function explainTroubles(
  path: ByteString,
  { report, place, request, add }: Shell,
  policy: LimitedPolicy,
  held: boolean,
  asked: boolean,
): void {
  const program = recognise(path, request.files);
  const start = held ? asRoot(() => ownStart(report.jail ?? "/", path)) : undefined;
  const stopped = ownStartWarning(path, program, start);
  if (stopped !== undefined) {
    const { certain, message, advice } = stopped;
    const outcome = !asked ? "warned" : certain ? "failed" : "unknown";
    add(step("server", outcome, message, inWords(advice), NOT_EXECUTABLE));
  }
  if (program.rows.every(({ hooks }) => hooks === undefined)) return;
  const repositories = asRoot(() => hookedRepositories(place.rootFd, [place.home, SHARED]));
  const silent = hooksWarning(program, repositories, new Map(policy.values.environment));
  if (silent !== undefined) add(step("hooks", "warned", silent.message, inWords(silent.advice)));
}

/** Adds notes about a known server. */
export function explainKnownServer(path: ByteString, { request, add }: Shell, held: boolean): void {
  const { rows } = recognise(path, request.files);
  for (const { names, inputs } of rows)
    add(step("server", "passed", `${path} is known as a server (${names[0]}). ${inputs}`));
  const starts = held ? startsOf(rows) : undefined;
  if (starts === undefined) return;
  const what = starts.length === 0 ? "nothing, hooks neither" : starts.join(", ");
  const unless = "unless execute names a directory that counts, or any";
  add(step("server", "passed", `${path} may itself execute: ${what}; ${unless}`));
}

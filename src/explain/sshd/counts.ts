import type { ByteString } from "../../../ffi/bytes.ts";
import { inWords } from "../../cli/remedy.ts";
import { namesOrigin } from "../../system/sshd/origin.ts";
import { CONFIGURATION, firstOf, isSet, type SshdSettings } from "../../system/sshd/settings.ts";
import { PENALTIES, type ReportStep } from "../report.ts";
import { stepsOf } from "../steps.ts";

const step = stepsOf("sshd");

// In seconds. A slow machine or network, or a password that is typed, may take as long.
const SHORT_GRACE = 10;

/** A warning that sshd refuses addresses for a time after failed logins (PerSourcePenalties): only sshd knows which. */
function penaltySteps(settings: SshdSettings, from: ByteString | undefined): ReportStep[] {
  const penalties = firstOf(settings, "persourcepenalties");
  if (penalties === "" || penalties === "no") return [];
  const exempt = isSet(settings, "persourcepenaltyexemptlist")
    ? firstOf(settings, "persourcepenaltyexemptlist")
    : "";
  if (from !== undefined && exempt !== "" && namesOrigin(exempt, from, false) === true) return [];
  const most = /\bmax:(\d+)/.exec(penalties)?.[1];
  const time = most === undefined ? "for a time" : `for up to ${most} seconds`;
  const which = from === undefined ? "an address" : `${from}, like any address,`;
  const message = `sshd refuses ${which} ${time} after a login from there has failed (PerSourcePenalties); whether it does so now was not checked`;
  // No warning, since it is sshd's default.
  return [step(PENALTIES, "passed", message)];
}

/** Steps about settings with which sshd refuses everybody. The present number of connections is not checked. */
export function countSteps(settings: SshdSettings, from: ByteString | undefined): ReportStep[] {
  const steps = penaltySteps(settings, from);
  if (firstOf(settings, "persourcemaxstartups") === "0") {
    const advice = inWords(`set PerSourceMaxStartups to none, or to 1 or more, in ${CONFIGURATION}`);
    steps.push(step("startups", "failed", "sshd accepts no connection (PerSourceMaxStartups 0)", advice));
  }
  if (firstOf(settings, "maxauthtries") === "0") {
    const advice = inWords(`set MaxAuthTries to 2 or more in ${CONFIGURATION}`);
    steps.push(step("max-auth-tries", "failed", "sshd refuses all authentication (MaxAuthTries 0)", advice));
  }
  const grace = Number(firstOf(settings, "logingracetime"));
  if (grace > 0 && grace < SHORT_GRACE) {
    const advice = inWords(`set LoginGraceTime to 30 or more in ${CONFIGURATION}`);
    const message = `sshd closes a connection that has not logged in after ${grace} s (LoginGraceTime)`;
    steps.push(step("grace-time", "unknown", message, advice));
  }
  return steps;
}

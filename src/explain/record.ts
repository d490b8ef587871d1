import type { ByteString } from "../../ffi/bytes.ts";
import { answered } from "../cli/error.ts";
import { openJailRoot } from "../jail/fs/walk.ts";
import { openManifest } from "../jail/record/manifest.ts";
import { RecordError } from "../jail/record/record-file.ts";
import type { ReportStep } from "./report.ts";
import { stepsOf } from "./steps.ts";

/** A warning if the record of a jail is damaged: logins work, but nothing updates the jail. Only root can read records. */
export function recordSteps(stage: ReportStep["stage"], jail: ByteString): ReportStep[] {
  return (
    answered(() => {
      using root = openJailRoot(jail);
      try {
        openManifest(root);
      } catch (error) {
        if (!(error instanceof RecordError)) throw error;
        return [stepsOf(stage)("record", "warned", error.message, error.remedy)];
      }
      return [];
    }) ?? []
  );
}

import type { ByteString } from "../../ffi/bytes.ts";
import { shellWord } from "../cli/shell-word.ts";
import { failed, type Note, passed, type Verdict, warned } from "./checks.ts";
import type { Unsafe } from "./facts.ts";
import { allRemedies } from "./remedies.ts";

const errors = (unsafe: readonly Unsafe[]) =>
  unsafe.map(({ message }): Note => ({ severity: "err", message }));

/** Settings that were read. `found`: where they come from. */
export function settingsVerdict(
  found: ByteString,
  warnings: readonly ByteString[],
  file: ByteString,
): Verdict {
  if (warnings.length === 0) return passed(found);
  const notes = warnings.map((message): Note => ({ severity: "warning", message }));
  const message = `${found}, with warnings: ${warnings.join("; ")}`;
  return warned(message, `jailkit config check ${shellWord(file)}`, notes);
}

/** What makes a jail unsafe. */
export function jailVerdict(jail: ByteString, findings: readonly Unsafe[]): Verdict {
  const [first] = findings;
  if (first === undefined) return passed(`${jail} is safe`);
  const what = `${jail} is not a safe jail, check ownership and permissions.`;
  return failed(`abort, ${what} ${first.message}`, allRemedies(findings), errors(findings));
}

/** What makes a program of a jail unsafe; `refusal` makes the message from the reason. */
export function programVerdict(
  path: ByteString,
  unsafe: readonly Unsafe[],
  refusal: (reason: ByteString) => ByteString,
): Verdict {
  const [first] = unsafe;
  if (first === undefined) return passed(`${path} is safe to run`);
  const remedy = unsafe.map((finding) => finding.remedy).join("; ");
  return failed(refusal(`it is not safe to run, ${first.message}`), remedy, errors(unsafe));
}

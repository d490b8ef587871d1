import type { ByteString } from "../../../ffi/bytes.ts";
import { outsideProcesses } from "../../users/outside.ts";
import { carryOut } from "./carry-out.ts";
import type { Ended } from "./report.ts";

/** True for a change of the home or the login shell of an account, also for one that was made in part. */
const changesLogin = ({ change: { of, what }, status, steps }: Ended): boolean =>
  of === "user" && what === "account" && (status === "done" || steps.length > 0);

/**
 * As carryOut. `warn` hears at the end what of the users whose logins have changed is outside of their jails, a printable line
 * each, with what ends it. No process is looked at if none has.
 */
export async function carryOutAndLook(
  remembered: Parameters<typeof carryOut>[0],
  comparison: Parameters<typeof carryOut>[1],
  { warn, ...means }: Parameters<typeof carryOut>[2] & { readonly warn: (line: string) => void },
): Promise<void> {
  const changed = new Set<ByteString>();
  const ended = (one: Ended) => {
    if (changesLogin(one)) changed.add(one.change.name);
    means.ended(one);
  };
  try {
    await carryOut(remembered, comparison, { ...means, ended });
  } finally {
    if (changed.size > 0) outsideOf(changed).forEach(warn);
  }
}

function outsideOf(names: ReadonlySet<ByteString>): string[] {
  const { found, more } = outsideProcesses(names);
  const lines = found.map(({ message, remedy }) => `${message}; end them with: ${remedy}`);
  return more === undefined ? lines : [...lines, `processes outside of jails may be missing: ${more}`];
}

import type { ByteString } from "../../../ffi/bytes.ts";
import { busyText, workerOf } from "../../jail/record/at-work.ts";
import { type Fault, type FaultText, waitsFor } from "../change.ts";
import { faultsOf } from "../foretell.ts";
import type { Comparison } from "./compare.ts";
import { once } from "./machine.ts";

const isBusy = ({ code, cause }: Fault): boolean => (cause ?? { code }).code === "busy";

/** A fault of a jail that somebody works on, or of one of its users, may be half of a change: what is said in its place. */
function inPlaceOf(fault: Fault, textOf: (jail: ByteString) => FaultText | undefined): Fault {
  const { of, name, jail, cause } = fault;
  const text = textOf(cause?.jail ?? jail);
  if (text === undefined || isBusy(fault)) return fault;
  return { of, name, jail, ...(cause === undefined ? text : waitsFor(cause.jail, text)) };
}

/** The same comparison without faults that may be gone, as they are in jails that other processes work on at this moment. */
export function withBusy(comparison: Comparison): Comparison {
  const known = new Map<ByteString, () => FaultText | undefined>();
  const textOf = (jail: ByteString) => {
    const ask = () => {
      const worker = workerOf(jail);
      if (worker === undefined) return undefined;
      return { code: "busy", message: `${busyText(jail, worker)}: run this again` } as const;
    };
    return known.getOrInsertComputed(jail, () => once(ask))();
  };
  const ofOne = <T extends { readonly fault: Fault | undefined }>(one: T): T =>
    one.fault === undefined ? one : { ...one, fault: inPlaceOf(one.fault, textOf) };
  return {
    ...comparison,
    jails: comparison.jails.map((work) => ({ ...ofOne(work), users: work.users.map(ofOne) })),
    formerFaults: comparison.formerFaults.map((fault) => inPlaceOf(fault, textOf)),
  };
}

/** The faults of a plan, as lines: those of jails that somebody works on, and the others. */
export function doubtsOf(comparison: Comparison) {
  const { busy = [], others = [] } = Object.groupBy(faultsOf(comparison), (one) =>
    isBusy(one) ? "busy" : "others",
  );
  return {
    others: [
      ...others.map(({ of, name, code, message }) => [of, name, code, message].join()),
      ...comparison.warnings.map(({ message }) => message),
    ],
    jails: [...new Set(busy.map(({ cause, jail }) => cause?.jail ?? jail))],
  };
}

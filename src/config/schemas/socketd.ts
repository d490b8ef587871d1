import { type KeyTable, readKeys, type SectionValues } from "../keys.ts";
import { type IniSection, keyPlace } from "../model.ts";

/** Sections of jk_socketd.ini: the absolute path of a socket. */
export const socketdKeys = {
  base: {
    kind: "integer",
    security: false,
    initial: 511,
    minimum: 10,
    maximum: 1_000_000,
    help: "bytes that are always relayed in an interval",
  },
  peak: {
    kind: "integer",
    security: false,
    initial: 2048,
    minimum: 100,
    maximum: 10_000_000,
    help: "bytes that are relayed in an interval after a quiet one; at least base",
  },
  interval: {
    kind: "decimal",
    security: false,
    initial: 5,
    minimum: 0.01,
    maximum: 60,
    help: "length of an interval, in seconds",
  },
  type: {
    kind: "choice",
    security: false,
    choices: { datagram: "dgram", dgram: "dgram", stream: "stream" },
    initial: "dgram",
    help: "datagram, which syslog(3) uses, or stream",
  },
  trust: {
    kind: "choice",
    security: false,
    choices: { kernel: "kernel", sender: "sender" },
    initial: "kernel",
    help: "kernel: messages get the sender that the kernel reports; sender: they are passed on unchanged, as in jailkit 2.23",
  },
} as const satisfies KeyTable;

/** A section of jk_socketd.ini as it counts: a peak under base becomes the default, or base if that is more. */
export function readSocketdSection(section: IniSection): SectionValues<typeof socketdKeys> {
  const values = readKeys(section, socketdKeys);
  const { base } = values;
  if (values.peak >= base) return values;
  values.peak = Math.max(socketdKeys.peak.initial, base);
  const place = keyPlace(section, "peak");
  const message = `peak is under base (${base}); ${values.peak} is used`;
  values.problems.push({ ...place, severity: "warning", code: "peak-under-base", message });
  return values;
}

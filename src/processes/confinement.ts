import type { ByteString } from "../../ffi/bytes.ts";

const MODES = ["none", "strict", "filter"] as const;

/** What the kernel says about the confinement of a process, in proc_pid_status(5). */
export interface ProcessConfinement {
  /** "unknown": the kernel has no seccomp, or says something else. */
  seccomp: (typeof MODES)[number] | "unknown";
  /** The number of its filters; undefined if the kernel does not tell, which it does since Linux 5.9. */
  filters: number | undefined;
  /** Undefined if the kernel does not tell. */
  noNewPrivs: boolean | undefined;
}

/** The number in a field of proc_pid_status(5); undefined unless the text has the field once, with a number. */
function fieldOf(text: ByteString, name: string): number | undefined {
  const [value, ...more] = text.split("\n").filter((line) => line.startsWith(`${name}:`));
  if (value === undefined || more.length > 0) return undefined;
  const digits = /^\t(\d{1,9})$/.exec(value.slice(name.length + 1))?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/** The confinement in the text of proc_pid_status(5). What is missing or malformed is unknown. Pure. */
export function confinementFromStatus(text: ByteString): ProcessConfinement {
  const mode = fieldOf(text, "Seccomp");
  const seccomp = (mode === undefined ? undefined : MODES[mode]) ?? "unknown";
  const noNewPrivs = fieldOf(text, "NoNewPrivs");
  return {
    seccomp,
    filters: seccomp === "filter" ? fieldOf(text, "Seccomp_filters") : undefined,
    noNewPrivs: noNewPrivs === 0 || noNewPrivs === 1 ? noNewPrivs === 1 : undefined,
  };
}

/** How a list shows the mode of seccomp: `filter 3` with the number of filters, if that is known. */
export const seccompText = ({ seccomp, filters }: ProcessConfinement): string =>
  filters === undefined ? seccomp : `${seccomp} ${filters}`;

/** How a list shows no_new_privs. */
export const noNewPrivsText = ({ noNewPrivs }: ProcessConfinement): string =>
  noNewPrivs === undefined ? "unknown" : noNewPrivs ? "yes" : "no";

import { dlopen } from "bun:ffi";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ARCHITECTURES } from "../../ffi/seccomp.ts";
import { type Architecture, inFolder } from "../guard.ts";
import { type Action, type Comparison, FilterError, type FilterText, type Rule } from "./text.ts";

/** The newest call that the rules know. Whoever moves it judges the calls up to the new one. */
const NEWEST = "removexattrat";

// seccomp.h
const KILL_PROCESS = 0x80000000;
const ALLOW = 0x7fff0000;
const FAIL = 0x00050000;
const SCMP_FLTATR_ACT_BADARCH = 2;
const SCMP_FLTATR_CTL_NNP = 3;
const SCMP_FLTATR_CTL_OPTIMIZE = 8;
const BINARY_TREE = 2;
const SCMP_CMP_NE = 1;
const SCMP_CMP_MASKED_EQ = 7;
const __NR_SCMP_ERROR = -1;

/** AUDIT_ARCH_I386, AUDIT_ARCH_ARM: the 32-bit programs of an architecture. */
const NARROW: Readonly<Record<Architecture, number>> = { x64: 0x40000003, arm64: 0x40000028 };

const ENOSYS = 38;

function open() {
  try {
    return dlopen("libseccomp.so.2", {
      // A context is an address that is only handed back.
      seccomp_init: { args: ["u32"], returns: "u64" },
      seccomp_release: { args: ["u64"], returns: "void" },
      seccomp_attr_set: { args: ["u64", "u32", "u32"], returns: "i32" },
      seccomp_arch_add: { args: ["u64", "u32"], returns: "i32" },
      seccomp_arch_remove: { args: ["u64", "u32"], returns: "i32" },
      seccomp_arch_native: { args: [], returns: "u32" },
      seccomp_syscall_resolve_name: { args: ["ptr"], returns: "i32" },
      seccomp_syscall_resolve_name_arch: { args: ["u32", "ptr"], returns: "i32" },
      seccomp_syscall_resolve_num_arch: { args: ["u32", "i32"], returns: "cstring" },
      seccomp_rule_add_array: { args: ["u64", "u32", "i32", "u32", "ptr"], returns: "i32" },
      seccomp_export_bpf: { args: ["u64", "i32"], returns: "i32" },
    }).symbols;
  } catch {
    throw new FilterError("libseccomp.so.2 is missing: apt-get install libseccomp2");
  }
}

let library: ReturnType<typeof open> | undefined;
function libseccomp() {
  library ??= open();
  return library;
}

// As an argument, a buffer lives until the call returns; an address that was taken of it before would not hold it.
const cText = (text: string) => Buffer.from(`${text}\0`);

/** The number of a call, by its name. Undefined if the architecture has no such call. Throws FilterError. */
export function callNumber(name: string, architecture: Architecture): number | undefined {
  const number = libseccomp().seccomp_syscall_resolve_name_arch(ARCHITECTURES[architecture], cText(name));
  if (number === __NR_SCMP_ERROR) throw new FilterError(`${name}: libseccomp knows no such call`);
  return number < 0 ? undefined : number;
}

/** The names of an architecture's calls, up to the newest that the rules know. */
export function callsOf(architecture: Architecture): string[] {
  const { seccomp_syscall_resolve_num_arch } = libseccomp();
  const newest = callNumber(NEWEST, architecture) ?? 0;
  const names: string[] = [];
  for (let number = 0; number <= newest; number++) {
    const name = seccomp_syscall_resolve_num_arch(ARCHITECTURES[architecture], number);
    if (name !== null && `${name}` !== "") names.push(`${name}`);
  }
  return names;
}

function must(result: number, what: string): void {
  if (result < 0) throw new FilterError(`${what}: libseccomp says ${result}`);
}

function code(action: Action): number {
  if (action === "allow") return ALLOW;
  return action === "kill" ? KILL_PROCESS : FAIL | action.errno;
}

type Argument = Comparison & { argument: number };

/** Each way to choose one comparison for every condition: libseccomp joins those of a rule by "and". */
function choices({ conditions }: Rule): Argument[][] {
  let found: Argument[][] = [[]];
  for (const { argument, anyOf } of conditions)
    found = found.flatMap((one) => anyOf.map((comparison) => [...one, { ...comparison, argument }]));
  return found;
}

/** An array of struct scmp_arg_cmp. */
function encode(all: readonly Argument[]): Buffer {
  const bytes = Buffer.alloc(Math.max(24 * all.length, 1));
  for (const [i, one] of all.entries()) {
    bytes.writeUInt32LE(one.argument, 24 * i);
    bytes.writeUInt32LE(one.is === "equal" ? SCMP_CMP_MASKED_EQ : SCMP_CMP_NE, 24 * i + 4);
    bytes.writeBigUInt64LE(one.is === "equal" ? one.mask : one.value, 24 * i + 8);
    bytes.writeBigUInt64LE(one.is === "equal" ? one.value : 0n, 24 * i + 16);
  }
  return bytes;
}

function addRule(context: bigint, rule: Rule, file: string): void {
  const { seccomp_syscall_resolve_name, seccomp_rule_add_array } = libseccomp();
  const where = `${file}:${rule.line}`;
  // libseccomp translates this machine's numbers into those of the filter's architectures, and leaves out what one lacks.
  const number = seccomp_syscall_resolve_name(cText(rule.call));
  if (number === __NR_SCMP_ERROR) throw new FilterError(`${where}: libseccomp knows no call ${rule.call}`);
  for (const all of choices(rule))
    must(seccomp_rule_add_array(context, code(rule.action), number, all.length, encode(all)), where);
}

function exported(context: bigint): Uint32Array {
  return inFolder(join(tmpdir(), "jailkit-filter-"), (folder) => {
    const file = join(folder, "words");
    const fd = fs.openSync(file, "w");
    try {
      must(libseccomp().seccomp_export_bpf(context, fd), "seccomp_export_bpf");
    } finally {
      fs.closeSync(fd);
    }
    return new Uint32Array(Uint8Array.from(fs.readFileSync(file)).buffer);
  });
}

/**
 * What comes before libseccomp's rules: calls that are newer than NEWEST, which nobody has judged, fail with ENOSYS. So do
 * the calls from 512 on, which old kernels accept from programs that are not x32's. libseccomp kills those of x32.
 */
function newerCalls(architecture: Architecture): number[] {
  const newest = callNumber(NEWEST, architecture) ?? 0;
  const [load, equal, above, end] = [0x20, 0x15, 0x25, 0x06];
  const jump = (operation: number, yes: number, no: number) => operation | (yes << 16) | (no << 24);
  return [
    ...[load, 4],
    ...[jump(equal, 0, 4), ARCHITECTURES[architecture]],
    ...[load, 0],
    ...[jump(above, 0, 2), newest],
    ...[jump(above, 1, 0), 0x3fffffff],
    ...[end, FAIL | ENOSYS],
  ];
}

/**
 * Compiles a filter for one architecture: an array of struct sock_filter, two words each. Programs of other architectures
 * are killed. `file` is for messages. Throws FilterError.
 */
export function compileFilter(filter: FilterText, architecture: Architecture, file: string): Uint32Array {
  const seccomp = libseccomp();
  const context = seccomp.seccomp_init(code(filter.otherwise));
  if (context === 0n) throw new FilterError(`${file}: seccomp_init failed`);
  try {
    const token = ARCHITECTURES[architecture];
    if (seccomp.seccomp_arch_native() !== token) {
      must(seccomp.seccomp_arch_add(context, token), "seccomp_arch_add");
      must(seccomp.seccomp_arch_remove(context, seccomp.seccomp_arch_native()), "seccomp_arch_remove");
    }
    if (filter.narrow) must(seccomp.seccomp_arch_add(context, NARROW[architecture]), "seccomp_arch_add");
    for (const [attribute, value] of [
      [SCMP_FLTATR_ACT_BADARCH, KILL_PROCESS],
      [SCMP_FLTATR_CTL_NNP, 0],
      [SCMP_FLTATR_CTL_OPTIMIZE, BINARY_TREE],
    ] as const)
      must(seccomp.seccomp_attr_set(context, attribute, value), "seccomp_attr_set");
    for (const rule of filter.rules) addRule(context, rule, file);
    return Uint32Array.from([...newerCalls(architecture), ...exported(context)]);
  } finally {
    seccomp.seccomp_release(context);
  }
}

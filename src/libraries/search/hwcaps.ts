import { type ByteString, fromBytes } from "../../../ffi/bytes.ts";
import * as C from "../../../ffi/constants.ts";
import { close, openAt, readAt } from "../../../ffi/files.ts";
import { type Abi, machineOf } from "../elf/abi.ts";

/** The x86-64 levels of the psABI, by the names that /proc/cpuinfo gives to what each adds. */
const x86Levels: [ByteString, ByteString[]][] = [
  ["x86-64-v2", ["cx16", "lahf_lm", "popcnt", "pni", "sse4_1", "sse4_2", "ssse3"]],
  ["x86-64-v3", ["avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave"]],
  ["x86-64-v4", ["avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"]],
];

/** s390x: by the facility that each generation brought. */
const s390Levels: [ByteString, ByteString[]][] = [
  ["z13", ["vx"]],
  ["z14", ["vxd", "vxe"]],
  ["z15", ["vxe2"]],
  ["z16", ["nnpa"]],
];

/** Each level needs all below it. Best first, as ld.so searches. */
function levels(table: [ByteString, ByteString[]][], has: ReadonlySet<ByteString>): ByteString[] {
  const found: ByteString[] = [];
  for (const [name, features] of table) {
    if (!features.every((feature) => has.has(feature))) break;
    found.unshift(name);
  }
  return found;
}

const flagsIn = (cpuinfo: ByteString): ReadonlySet<ByteString> =>
  new Set((/^(?:flags|features)\s*:(.*)$/m.exec(cpuinfo)?.[1] ?? "").split(/\s+/));

// What glibc puts for $PLATFORM on processors of Intel in the place of AT_PLATFORM: the first that has all of it.
const intelPlatforms: [ByteString, ByteString[]][] = [
  ["xeon_phi", ["avx512cd", "avx512er", "avx512pf"]],
  ["haswell", ["avx2", "fma", "bmi1", "bmi2", "abm", "movbe", "popcnt"]],
];

/** What glibc's ld.so puts for $PLATFORM in programs of `abi`, on a processor that `cpuinfo` tells of. */
export function platformOn(abi: Abi, cpuinfo: ByteString): ByteString {
  const { platform } = machineOf(abi);
  if (abi.machine !== 62 || !/^vendor_id\s*:\s*GenuineIntel$/m.test(cpuinfo)) return platform;
  const has = flagsIn(cpuinfo);
  return (
    intelPlatforms.find(([, features]) => features.every((feature) => has.has(feature)))?.[0] ?? platform
  );
}

/**
 * The subdirectories of glibc-hwcaps that ld.so searches for programs of `abi` on a processor of which
 * /proc/cpuinfo tells `cpuinfo` (the text of its first processor), best first.
 */
export function hwcapSubdirectories(abi: Abi, cpuinfo: ByteString): ByteString[] {
  const has = flagsIn(cpuinfo);
  if (abi.machine === 62 && abi.bits === 64) return levels(x86Levels, has);
  if (abi.machine === 22 && abi.bits === 64) return levels(s390Levels, has);
  if (abi.machine === 21 && abi.little) {
    const generation = Number(/^cpu\s*:\s*POWER(\d+)/m.exec(cpuinfo)?.[1] ?? 0);
    return ["power10", "power9"].filter((name) => generation >= Number(name.slice(5)));
  }
  return [];
}

let cpuinfo: ByteString | undefined;

/** What /proc/cpuinfo tells of the first processor; nothing where there is no /proc. */
function readCpuinfo(): ByteString {
  cpuinfo ??= readFirstProcessor();
  return cpuinfo;
}

function readFirstProcessor(): ByteString {
  try {
    const fd = openAt(C.AT_FDCWD, "/proc/cpuinfo", C.O_RDONLY);
    try {
      // Machines have hundreds of processors; the first says it all.
      const buffer = new Uint8Array(16384);
      return fromBytes(buffer, 0, readAt(fd, buffer, 0));
    } finally {
      close(fd);
    }
  } catch {
    return "";
  }
}

/**
 * The subdirectories of glibc-hwcaps for this machine's processor, and none for programs of another machine.
 * A jail gets the library that ld.so would take here and no other variant: a jail that moves to a lesser
 * processor has to be updated there.
 */
export function nativeHwcaps(abi: Abi): ByteString[] {
  if (machineOf(abi).native !== process.arch) return [];
  return hwcapSubdirectories(abi, readCpuinfo());
}

/** What stands for $PLATFORM with glibc on this machine's processor. */
export function nativePlatform(abi: Abi): ByteString {
  return machineOf(abi).native === process.arch ? platformOn(abi, readCpuinfo()) : machineOf(abi).platform;
}

import { type ByteString, fromBytes } from "../../../ffi/bytes.ts";
import * as C from "../../../ffi/constants.ts";
import { attempt } from "../../../ffi/error.ts";
import { openAt, readAt, withFd } from "../../../ffi/files.ts";
import { type Abi, EM_PPC64, EM_S390, EM_X86_64, machineOf, nativeAbi } from "../elf/abi.ts";

/** The x86-64 levels of the psABI: the features that each adds, as /proc/cpuinfo names them. */
const x86Levels: [ByteString, ByteString[]][] = [
  ["x86-64-v2", ["cx16", "lahf_lm", "popcnt", "pni", "sse4_1", "sse4_2", "ssse3"]],
  ["x86-64-v3", ["avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave"]],
  ["x86-64-v4", ["avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"]],
];

/** s390x: the facility that each generation added. */
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

// $PLATFORM of glibc on processors of Intel, instead of AT_PLATFORM: the first whose features are all there.
const intelPlatforms: [ByteString, ByteString[]][] = [
  ["xeon_phi", ["avx512cd", "avx512er", "avx512pf"]],
  ["haswell", ["avx2", "fma", "bmi1", "bmi2", "abm", "movbe", "popcnt"]],
];

/** $PLATFORM of glibc's ld.so in programs of `abi`, on the processor that `cpuinfo` describes. */
export function platformOn(abi: Abi, cpuinfo: ByteString): ByteString {
  const { platform } = machineOf(abi);
  if (abi.machine !== EM_X86_64 || !/^vendor_id\s*:\s*GenuineIntel$/m.test(cpuinfo)) return platform;
  const has = flagsIn(cpuinfo);
  const found = intelPlatforms.find(([, features]) => features.every((feature) => has.has(feature)));
  return found?.[0] ?? platform;
}

/**
 * The subdirectories of glibc-hwcaps that ld.so searches for programs of `abi`, best first. `cpuinfo` is the text of
 * the first processor in /proc/cpuinfo.
 */
export function hwcapSubdirectories(abi: Abi, cpuinfo: ByteString): ByteString[] {
  const has = flagsIn(cpuinfo);
  if (abi.machine === EM_X86_64 && abi.bits === 64) return levels(x86Levels, has);
  if (abi.machine === EM_S390 && abi.bits === 64) return levels(s390Levels, has);
  if (abi.machine === EM_PPC64 && abi.little) {
    const generation = Number(/^cpu\s*:\s*POWER(\d+)/m.exec(cpuinfo)?.[1] ?? 0);
    return ["power10", "power9"].filter((name) => generation >= Number(name.slice(5)));
  }
  return [];
}

const FIRST_PROCESSOR = 16384;
let cpuinfo: ByteString | undefined;

/** The first processor in /proc/cpuinfo, of the hundreds that a machine may have; "" without /proc. */
function readCpuinfo(): ByteString {
  cpuinfo ??= attempt(() => {
    const buffer = new Uint8Array(FIRST_PROCESSOR);
    const length = withFd(openAt(C.AT_FDCWD, "/proc/cpuinfo", C.O_RDONLY), (fd) => readAt(fd, buffer, 0));
    return fromBytes(buffer, 0, length);
  });
  return cpuinfo ?? "";
}

/**
 * The subdirectories of glibc-hwcaps for the processor of this machine; none for programs of another machine. A jail gets
 * only the library that ld.so loads here: a jail that moves to an older processor must be updated there.
 */
export function nativeHwcaps(abi: Abi): ByteString[] {
  if (machineOf(abi).native !== process.arch) return [];
  return hwcapSubdirectories(abi, readCpuinfo());
}

/** What the choice of libraries depends on in the processor of this machine. */
export function nativeProcessor(): readonly ByteString[] {
  const abi = nativeAbi();
  return [process.arch, nativePlatform(abi), ...nativeHwcaps(abi)];
}

/** $PLATFORM of glibc on the processor of this machine. */
export function nativePlatform(abi: Abi): ByteString {
  return machineOf(abi).native === process.arch ? platformOn(abi, readCpuinfo()) : machineOf(abi).platform;
}

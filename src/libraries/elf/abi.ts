import type { ByteString } from "../../../ffi/bytes.ts";

// e_machine, from elf.h
const EM_386 = 3;
const EM_MIPS = 8;
export const EM_PPC64 = 21;
export const EM_S390 = 22;
const EM_ARM = 40;
export const EM_X86_64 = 62;
const EM_AARCH64 = 183;
const EM_RISCV = 243;
const EM_LOONGARCH = 258;
export const EM_ALPHA = 0x9026;

/** EF_ARM_ABI_FLOAT_SOFT in e_flags. */
const ARM_SOFT_FLOAT = 0x200;

/** The properties in which a program and a library must agree. */
export interface Abi {
  bits: 32 | 64;
  little: boolean;
  /** e_machine. */
  machine: number;
  /** The bits of e_flags that differ in incompatible code; 0 if the machine has none. */
  variant: number;
}

/** By e_machine, the bits of e_flags for which ld.so refuses a library. */
const variantMask: Record<number, number> = {
  [EM_MIPS]: 0xf000 | 0x400 | 0x20, // ABI, NAN2008, n32
  [EM_ARM]: 0x600, // hard and soft float
  [EM_RISCV]: 0x6, // float ABI
  [EM_LOONGARCH]: 0x7, // float ABI
};

/** The ABI of an ELF header. */
export function abiOf(bits: 32 | 64, little: boolean, machine: number, flags: number): Abi {
  return { bits, little, machine, variant: flags & (variantMask[machine] ?? 0) };
}

/** The ABI of the programs of this machine. */
export function nativeAbi(): Abi {
  return abiOf(64, true, process.arch === "arm64" ? EM_AARCH64 : EM_X86_64, 0);
}

/** True if ld.so loads one together with the other. An ARM file may leave its float ABI open. */
export function sameAbi(a: Abi, b: Abi): boolean {
  if (a.bits !== b.bits || a.little !== b.little || a.machine !== b.machine) return false;
  return a.variant === b.variant || (a.machine === EM_ARM && (a.variant === 0 || b.variant === 0));
}

/** A short unique key of an ABI. */
export function abiKey(abi: Abi): string {
  return `${abi.machine}.${abi.bits}${abi.little ? "l" : "b"}.${abi.variant}`;
}

/** The conventions of a machine, for files that name no interpreter, or a missing one. */
interface Machine {
  /** AT_PLATFORM of getauxval(3). */
  platform: ByteString;
  /** Debian's directory below lib. */
  triplet: ByteString;
  /** The usual paths of the interpreters, glibc's first. */
  interpreters: ByteString[];
  /** node's name of the architecture on which programs of this ABI run natively. */
  native: string;
}

function machine(
  platform: string,
  triplet: string,
  interpreters: string[],
  muslArch = platform,
  native = "",
): Machine {
  return { platform, triplet, interpreters: [...interpreters, `/lib/ld-musl-${muslArch}.so.1`], native };
}

/** The machine of an ABI; its fields are empty if it is not known. */
export function machineOf({ machine: id, bits, little, variant }: Abi): Machine {
  switch (id) {
    case EM_386:
      return machine("i686", "i386-linux-gnu", ["/lib/ld-linux.so.2"], "i386");
    case EM_X86_64:
      return bits === 64
        ? machine("x86_64", "x86_64-linux-gnu", ["/lib64/ld-linux-x86-64.so.2"], "x86_64", "x64")
        : machine("x86_64", "x86_64-linux-gnux32", ["/libx32/ld-linux-x32.so.2"], "x32");
    case EM_AARCH64: {
      const musl = little ? "aarch64" : "aarch64_be";
      return machine("aarch64", "aarch64-linux-gnu", ["/lib/ld-linux-aarch64.so.1"], musl, "arm64");
    }
    case EM_ARM:
      return variant === ARM_SOFT_FLOAT
        ? machine("v7l", "arm-linux-gnueabi", ["/lib/ld-linux.so.3"], "arm")
        : machine("v7l", "arm-linux-gnueabihf", ["/lib/ld-linux-armhf.so.3"], "armhf");
    case EM_RISCV: {
      const float = ["lp64", "lp64f", "lp64d", "lp64q"][variant >> 1];
      const interpreter = `/lib/ld-linux-riscv${bits}-${float}.so.1`;
      return machine("", `riscv${bits}-linux-gnu`, [interpreter], `riscv${bits}`);
    }
    case EM_PPC64: {
      const [name, native] = little ? ["powerpc64le", "ppc64"] : ["powerpc64", ""];
      const interpreters = ["/lib64/ld64.so.2", "/lib64/ld64.so.1"];
      return machine("power8", `${name}-linux-gnu`, interpreters, name, native);
    }
    case EM_S390:
      return machine("z900", "s390x-linux-gnu", ["/lib/ld64.so.1", "/lib64/ld64.so.1"], "s390x", "s390x");
    case EM_MIPS: {
      const name = `mips${bits === 64 ? "64" : ""}${little ? "el" : ""}`;
      const triplet = `${name}-linux-gnu${bits === 64 ? "abi64" : ""}`;
      return machine("mips", triplet, ["/lib64/ld.so.1", "/lib/ld.so.1"], name);
    }
    case EM_LOONGARCH: {
      const interpreters = ["/lib64/ld-linux-loongarch-lp64d.so.1"];
      return machine("loongarch", "loongarch64-linux-gnu", interpreters, "loongarch64");
    }
    default:
      return { platform: "", triplet: "", interpreters: [], native: "" };
  }
}

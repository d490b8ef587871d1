import type { ByteString } from "../../../ffi/bytes.ts";

/** What must agree between a program and a library: word size, byte order, machine, and the float ABI in e_flags. */
export interface Abi {
  bits: 32 | 64;
  little: boolean;
  /** e_machine. */
  machine: number;
  /** Those bits of e_flags that tell incompatible code apart; 0 where the machine has none. */
  variant: number;
}

/** elf(5): the bits of e_flags by which ld.so refuses a library, by e_machine. */
const variantMask: Record<number, number> = {
  8: 0xf000 | 0x400 | 0x20, // MIPS: ABI, NAN2008, n32
  40: 0x600, // ARM: hard and soft float
  243: 0x6, // RISC-V: float ABI
  258: 0x7, // LoongArch: float ABI
};

/** The ABI that the fields of an ELF header stand for. */
export function abiOf(bits: 32 | 64, little: boolean, machine: number, flags: number): Abi {
  return { bits, little, machine, variant: flags & (variantMask[machine] ?? 0) };
}

/** True where ld.so loads the one beside the other. An ARM file may leave its float ABI open. */
export function sameAbi(a: Abi, b: Abi): boolean {
  if (a.bits !== b.bits || a.little !== b.little || a.machine !== b.machine) return false;
  return a.variant === b.variant || (a.machine === 40 && (a.variant === 0 || b.variant === 0));
}

/** A short text that is the same for the same ABI, as a key. */
export function abiKey(abi: Abi): string {
  return `${abi.machine}.${abi.bits}${abi.little ? "l" : "b"}.${abi.variant}`;
}

/** What is known of a machine beforehand: for files that name no interpreter, or one that is not there. */
export interface Machine {
  /** AT_PLATFORM of getauxval(3). */
  platform: ByteString;
  /** Debian's directory below lib. */
  triplet: ByteString;
  /** Where the interpreters are by convention, glibc's first. */
  interpreters: ByteString[];
  /** node's name of the architecture, where programs of this ABI run natively. */
  native: string;
}

const machine = (
  platform: string,
  triplet: string,
  interpreters: string[],
  muslArch = platform,
  native = "",
): Machine => ({
  platform,
  triplet,
  interpreters: [...interpreters, `/lib/ld-musl-${muslArch}.so.1`],
  native,
});

const unknown: Machine = { platform: "", triplet: "", interpreters: [], native: "" };

/** The machine of an ABI; one with empty fields where it is not known. */
export function machineOf(abi: Abi): Machine {
  switch (abi.machine) {
    case 3:
      return machine("i686", "i386-linux-gnu", ["/lib/ld-linux.so.2"], "i386");
    case 62:
      return abi.bits === 64
        ? machine("x86_64", "x86_64-linux-gnu", ["/lib64/ld-linux-x86-64.so.2"], "x86_64", "x64")
        : machine("x86_64", "x86_64-linux-gnux32", ["/libx32/ld-linux-x32.so.2"], "x32");
    case 183:
      return machine(
        "aarch64",
        "aarch64-linux-gnu",
        ["/lib/ld-linux-aarch64.so.1"],
        abi.little ? "aarch64" : "aarch64_be",
        "arm64",
      );
    case 40:
      return abi.variant === 0x200
        ? machine("v7l", "arm-linux-gnueabi", ["/lib/ld-linux.so.3"], "arm")
        : machine("v7l", "arm-linux-gnueabihf", ["/lib/ld-linux-armhf.so.3"], "armhf");
    case 243:
      return machine(
        "",
        `riscv${abi.bits}-linux-gnu`,
        [`/lib/ld-linux-riscv${abi.bits}-${["lp64", "lp64f", "lp64d", "lp64q"][abi.variant >> 1]}.so.1`],
        `riscv${abi.bits}`,
      );
    case 21:
      return machine(
        "power8",
        abi.little ? "powerpc64le-linux-gnu" : "powerpc64-linux-gnu",
        ["/lib64/ld64.so.2", "/lib64/ld64.so.1"],
        abi.little ? "powerpc64le" : "powerpc64",
        abi.little ? "ppc64" : "",
      );
    case 22:
      return machine("z900", "s390x-linux-gnu", ["/lib/ld64.so.1", "/lib64/ld64.so.1"], "s390x", "s390x");
    case 8:
      return machine(
        "mips",
        `mips${abi.bits === 64 ? "64" : ""}${abi.little ? "el" : ""}-linux-gnu${abi.bits === 64 ? "abi64" : ""}`,
        ["/lib64/ld.so.1", "/lib/ld.so.1"],
        `mips${abi.bits === 64 ? "64" : ""}${abi.little ? "el" : ""}`,
      );
    case 258:
      return machine(
        "loongarch",
        "loongarch64-linux-gnu",
        ["/lib64/ld-linux-loongarch-lp64d.so.1"],
        "loongarch64",
      );
    default:
      return unknown;
  }
}

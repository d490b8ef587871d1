import { GUARD_MAGIC } from "../ffi/guard.ts";
import {
  type DynamicEntry,
  dynamicEntries,
  type Elf,
  ElfError,
  EM_AARCH64,
  EM_X86_64,
  offsetOf,
  onlySegment,
  PF_R,
  PF_W,
  PF_X,
  PT_LOAD,
  PT_NOTE,
  readElf,
  relocationsAt,
  SECTION_HEADER,
  sectionNamed,
  sections,
} from "./elf-file.ts";

const DT_NULL = 0;
const DT_PLTRELSZ = 2;
const DT_HASH = 4;
const DT_STRTAB = 5;
const DT_SYMTAB = 6;
const DT_RELA = 7;
const DT_RELASZ = 8;
const DT_JMPREL = 23;
const DT_FLAGS = 30;
const DT_PREINIT_ARRAY = 32;
const DT_GNU_HASH = 0x6ffffef5;
const DF_BIND_NOW = 8;

/** The relevant types of relocation, by machine: R_X86_64_* and R_AARCH64_*. */
const TYPES: Readonly<Record<number, { copy: number; slot: number; globalData: number; indirect: number }>> =
  {
    [EM_X86_64]: { copy: 5, slot: 7, globalData: 6, indirect: 37 },
    [EM_AARCH64]: { copy: 1024, slot: 1026, globalData: 1025, indirect: 1032 },
  };

const SHT_PROGBITS = 1;
const SHF_ALLOC = 2n;
const SHF_EXECINSTR = 4n;

/** Whether a program may hold CAP_SYS_CHROOT: always, never, or if a native entry started it (PRIVILEGED_*). */
export type Privileged = boolean | "by entry";

function dynamicValue(entries: DynamicEntry[], tag: number): number {
  const entry = entries.find((candidate) => candidate.tag === tag);
  if (entry === undefined) throw new ElfError(`the dynamic section has no entry ${tag}`);
  return entry.value;
}

function locate(elf: Elf, dynamic: DynamicEntry[]) {
  const types = TYPES[elf.machine];
  if (types === undefined) throw new ElfError(`the guard does not know the machine ${elf.machine}`);
  const symbols = {
    table: offsetOf(elf, dynamicValue(dynamic, DT_SYMTAB)),
    strings: offsetOf(elf, dynamicValue(dynamic, DT_STRTAB)),
  };
  const relocations = [
    ...relocationsAt(elf, dynamicValue(dynamic, DT_JMPREL), dynamicValue(dynamic, DT_PLTRELSZ), symbols),
    ...relocationsAt(elf, dynamicValue(dynamic, DT_RELA), dynamicValue(dynamic, DT_RELASZ), symbols),
  ];
  // ld.so runs both kinds of code before the entry point, and so before the guard.
  if (relocations.some((relocation) => relocation.type === types.indirect))
    throw new ElfError("the runtime has code that runs while it is relocated (IRELATIVE)");
  if (dynamic.some((entry) => entry.tag === DT_PREINIT_ARRAY))
    throw new ElfError("the runtime has code that runs before its entry point (DT_PREINIT_ARRAY)");
  const slot = (symbol: string): number => {
    const found = relocations.filter(
      (relocation) =>
        relocation.symbol === symbol &&
        (relocation.type === types.slot || relocation.type === types.globalData),
    );
    const [only, second] = found;
    if (only === undefined || second !== undefined)
      throw new ElfError(`expected one slot for ${symbol} in the global offset table`);
    return only.address;
  };
  const environ = relocations.find(
    (relocation) => relocation.type === types.copy && /^(__)?environ$/.test(relocation.symbol),
  );
  if (environ === undefined) throw new ElfError("the runtime does not hold environ itself (no COPY)");
  return { slot, environ: environ.address };
}

/**
 * The program (section .bun): its size in 8 bytes, and the program, which ends with a certain line. `pointer` is the
 * runtime's variable with its address. Without it, the runtime would be the bun command.
 */
function findPayload(elf: Elf): { address: number; size: number; pointer: number } {
  const section = sectionNamed(elf, ".bun");
  const payload = section.address;
  const size = Number(elf.bytes.readBigUInt64LE(section.offset));
  const last = elf.bytes.toString("latin1", section.offset + 8 + size - 16, section.offset + 8 + size);
  if (last !== "\n---- Bun! ----\n") throw new ElfError("the section .bun does not end as it should");
  const wanted = Buffer.alloc(8);
  wanted.writeBigUInt64LE(BigInt(payload));
  const found: number[] = [];
  for (const segment of elf.segments) {
    if (segment.type !== PT_LOAD || (segment.flags & PF_W) === 0) continue;
    // Not in the program itself, which is in a writable segment too and could contain these bytes by chance.
    const end = Math.min(segment.offset + segment.fileSize, elf.bytes.length);
    const inside = payload - segment.address;
    const stop = inside >= 0 && inside < segment.fileSize ? segment.offset + inside : end;
    for (let at = elf.bytes.indexOf(wanted, segment.offset); at >= 0 && at < stop; ) {
      if ((at - segment.offset + segment.address) % 8 === 0)
        found.push(at - segment.offset + segment.address);
      at = elf.bytes.indexOf(wanted, at + 1);
    }
  }
  const [address, second] = found;
  if (address === undefined || second !== undefined)
    throw new ElfError(`expected one pointer to the section .bun, found ${found.length}`);
  return { address: payload, size, pointer: address };
}

/** The guard's one segment, with its configuration: the members of `struct config` after magic and size, in order. */
function configured(guard: Elf, members: readonly number[]): Buffer {
  const segment = onlySegment(guard, PT_LOAD);
  if (segment.flags !== (PF_R | PF_X)) throw new ElfError("the guard's segment must be R+X");
  const code = Buffer.from(guard.bytes.subarray(segment.offset, segment.offset + segment.fileSize));
  if (code.readBigUInt64LE(0) !== GUARD_MAGIC || code.readBigUInt64LE(8) !== BigInt(16 + members.length * 8))
    throw new ElfError("the guard's configuration is not where it should be");
  members.forEach((value, i) => {
    code.writeBigUInt64LE(BigInt(value), 16 + i * 8);
  });
  return code;
}

function checkRoom(elf: Elf, address: number, size: number): void {
  for (const segment of elf.segments) {
    if (segment.type !== PT_LOAD) continue;
    if ((segment.flags & PF_W) !== 0 && (segment.flags & PF_X) !== 0)
      throw new ElfError("the runtime has a segment that is writable and executable");
    if (address < segment.address + segment.memorySize && segment.address < address + size)
      throw new ElfError("the runtime already uses the guard's address");
  }
}

/**
 * The section headers and their names, with another one for the guard's segment. strip(1) and objcopy(1) drop everything
 * without a section, and the program would crash; with one, the guard can report that the program was changed.
 */
function sectionTable(
  elf: Elf,
  at: number,
  guard: { address: number; offset: number; size: number },
): Buffer {
  const { bytes } = elf;
  const old = sections(elf);
  const nameSection = old[bytes.readUInt16LE(62)];
  if (nameSection === undefined) throw new ElfError("the sections have no names");
  const oldNames = bytes.subarray(nameSection.offset, nameSection.offset + nameSection.size);
  const names = Buffer.concat([oldNames, Buffer.from(".guard\0")]);
  const padding = Buffer.alloc(-(at + names.length) & 7);
  const headers = Buffer.concat([
    ...old.map((section) => bytes.subarray(section.at, section.at + SECTION_HEADER)),
    Buffer.alloc(SECTION_HEADER),
  ]);
  const header = headers.subarray(old.length * SECTION_HEADER);
  header.writeUInt32LE(oldNames.length, 0);
  header.writeUInt32LE(SHT_PROGBITS, 4);
  header.writeBigUInt64LE(SHF_ALLOC | SHF_EXECINSTR, 8);
  header.writeBigUInt64LE(BigInt(guard.address), 16);
  header.writeBigUInt64LE(BigInt(guard.offset), 24);
  header.writeBigUInt64LE(BigInt(guard.size), 32);
  header.writeBigUInt64LE(16n, 48);
  const nameHeader = old.indexOf(nameSection) * SECTION_HEADER;
  headers.writeBigUInt64LE(BigInt(at), nameHeader + 24);
  headers.writeBigUInt64LE(BigInt(names.length), nameHeader + 32);
  bytes.writeBigUInt64LE(BigInt(at + names.length + padding.length), 40);
  bytes.writeUInt16LE(old.length + 1, 60);
  return Buffer.concat([names, padding, headers]);
}

/**
 * Adds the guard to an executable of `bun build --compile`: its segment goes to the end of the file, PT_NOTE becomes its
 * PT_LOAD, the entry point moves to it, and DT_HASH (redundant beside DT_GNU_HASH) becomes DT_FLAGS = DF_BIND_NOW, so
 * that ld.so has filled the global offset table when the guard runs. Edits `executable`, and returns what must be
 * appended to it. Throws `ElfError` if it is not as the guard expects.
 */
export function injectGuard(executable: Buffer, guardFile: Buffer, privileged: Privileged): Buffer {
  const elf = readElf(executable);
  const guard = readElf(guardFile);
  if (elf.machine !== guard.machine) throw new ElfError("the guard is for another machine");
  const dynamic = dynamicEntries(elf);
  const end = dynamic.find((entry) => entry.tag === DT_NULL);
  const hash = dynamic.find((entry) => entry.tag === DT_HASH);
  if (end === undefined || hash === undefined || dynamic.some((entry) => entry.tag === DT_FLAGS))
    throw new ElfError("no room for DT_FLAGS (does this file already have the guard?)");
  dynamicValue(dynamic, DT_GNU_HASH);
  const { slot, environ } = locate(elf, dynamic);
  const payload = findPayload(elf);
  const stateSlot = end.address + 8; // the unused value of DT_NULL
  const names = ["pthread_getattr_np", "pthread_attr_init", "pthread_attr_setstack", "pthread_self"];
  const code = configured(guard, [
    ...[elf.entry, privileged === "by entry" ? 2 : Number(privileged)],
    ...[payload.pointer, payload.address, payload.size],
    ...[environ, stateSlot, ...names.map(slot)],
  ]);
  const { address, align } = onlySegment(guard, PT_LOAD);
  checkRoom(elf, address, code.length);
  const note = onlySegment(elf, PT_NOTE);

  const offset = Math.ceil(executable.length / align) * align;
  executable.writeUInt32LE(PT_LOAD, note.at);
  executable.writeUInt32LE(PF_R | PF_X, note.at + 4);
  const header = [offset, address, address, code.length, code.length, align];
  header.forEach((value, i) => {
    executable.writeBigUInt64LE(BigInt(value), note.at + 8 + i * 8);
  });
  executable.writeBigUInt64LE(BigInt(DT_FLAGS), hash.at);
  executable.writeBigUInt64LE(BigInt(DF_BIND_NOW), hash.at + 8);
  executable.writeBigUInt64LE(BigInt(guard.entry), 24);
  const table = sectionTable(elf, offset + code.length, { address, offset, size: code.length });
  return Buffer.concat([Buffer.alloc(offset - executable.length), code, table]);
}

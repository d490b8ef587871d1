import type { ByteString } from "../../../ffi/bytes.ts";
import type { Entry } from "../entry.ts";

/** A section of jk_init.ini that has a program with everything that it lives from. */
export interface Companion {
  readonly section: ByteString;
  /** The paths of the section, and of those that it includes, that the host has. */
  paths(): readonly ByteString[];
}

/** The sections that programs need. */
export interface Companions {
  /** The section with the data of a program; undefined for one that needs no more than its libraries. */
  ofProgram(path: ByteString): Companion | undefined;
  /** The section with the library of an interpreter, such as /usr/lib/python3.13 of python3. */
  ofInterpreter(path: ByteString): Companion | undefined;
}

/** A script that is copied without its interpreter, which would not work without its library. */
export interface BareScript {
  readonly script: Entry;
  readonly interpreter: ByteString;
  readonly companion: Companion;
}

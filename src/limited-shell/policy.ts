import type { ByteString } from "../../ffi/bytes.ts";

/** The section of jk_lsh.ini that applies to a user. */
export interface LshPolicy {
  /** The key `executables`; undefined if the section has none. */
  executables: readonly ByteString[] | undefined;
  /** The key `paths`: directories to search for a command without a path, in order. */
  paths: readonly ByteString[];
  /** The key `allow_word_expansion`. */
  allowWordExpansion: boolean;
  /** The key `allow_spawn_options`: arguments that make a program start another are allowed. */
  allowSpawnOptions?: boolean;
}

/** Exit statuses of a refusal, as in jailkit 2.23. */
export const EXIT_NOT_ALLOWED = 4;
export const EXIT_NO_EXECUTABLES = 5;
export const EXIT_NOT_FOUND = 127;

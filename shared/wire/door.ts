/** What both sides of the door must agree on. */
import Type from 'typebox'
import type { Ms } from '../units.ts'
import { makeReader } from './frame.ts'
import { Join, Joined } from './messages.ts'

/** Where candidates have their door. */
export const doorPort = 7412
/** No question at the door is longer. Unit: bytes. */
export const doorBytesMax = 8 * 1024
/** No answer is longer; the signed list may be in it. Unit: bytes. */
export const answerAtDoorBytesMax = 96 * 1024
/** How long one who knocks waits for the answer. Unit: ms. */
export const knockMsMax: Ms = 5_000

/** Reads what is said at the door: `join` and nothing else. */
export const readJoin = makeReader<Join>(Type.Union([Join]), doorBytesMax)
/** Reads what the door answers. */
export const readJoined = makeReader<Joined>(Type.Union([Joined]), answerAtDoorBytesMax)

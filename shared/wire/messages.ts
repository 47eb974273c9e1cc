/**
 * Everything that is said on the mesh. Each message travels in an envelope with the protocol
 * version, the sender's boot id, the epoch and a deadline; see frame.ts.
 */
import Type from 'typebox'
import { HostClaims } from '../model/host-claims.ts'
import { Strict, Words } from '../model/resource.ts'
import type { DeepReadonly } from '../model/types.ts'
import { BootPlan, BootReport } from './boot.ts'
import { BootdQuestion } from './bootd-question.ts'
import { SignedBootstrap } from './bootstrap.ts'
import { FenceOrder, FenceState, fenceHostsMax } from './fence.ts'
import { Order, Report } from './order.ts'

/** Raised when a message changes so that an older peer would misread it. */
export const protocolVersion = 2
/** No message is longer; a longer one is refused on both sides. Unit: bytes. */
export const messageBytesMax = 4 * 1024 * 1024

const Text = (maxLength = 256) => Type.String({ maxLength })
const Count = () => Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })
/** Bytes as they are; whoever gets them must not change them, since they may be a view. */
const Bytes = (bytesMax: number) =>
  Type.Refine(
    Type.Unsafe<Uint8Array>(Type.Any()),
    value => value instanceof Uint8Array && value.length <= bytesMax,
    () => `must be at most ${bytesMax} bytes`
  )

/** Bytes of a channel that may be on their way in one direction. */
export const channelWindowBytes = 256 * 1024
/** No answer to a question is longer. */
export const answerBytesMax = 1024 * 1024

/** Sent by the event loop of each side every half second: I am alive, and so late is my loop. */
export const Heartbeat = Strict({
  type: Type.Literal('heartbeat'),
  number: Count(),
  /** How late the sender's event loop was at worst since the last one. Unit: ms. */
  loopLagMs: Type.Number({ minimum: 0 }),
  /** The sender's epoch: the controller's own, or the highest that the agent has seen. */
  epoch: Count(),
  /** The order that the agent last took on; on the controller's side the newest for this host. */
  generation: Count(),
  /** The agent's run, where it needs a lease: then the controller says which it has heard. */
  run: Type.Optional(Text(64)),
  /** The newest heartbeat that the controller has heard: a lease from when that was sent. */
  echo: Type.Optional(Strict({ run: Text(64), number: Count() }))
})

/** Opens a byte channel to an instance's console; data flows both ways until close. */
export const ConsoleOpen = Strict({
  type: Type.Literal('console-open'),
  channel: Text(64),
  instance: Text()
})
/** Opens a byte channel to the serial line of a host's machine, through its BMC. */
export const SolOpen = Strict({
  type: Type.Literal('sol-open'),
  channel: Text(64),
  /** UUID of a host whose devices bootd was told of. */
  host: Text(64),
  /** Whether whoever has it now loses it. */
  take: Type.Boolean()
})
/** Bytes of a channel. A side sends at most `channelWindowBytes` that are not yet taken. */
export const ChannelData = Strict({
  type: Type.Literal('channel-data'),
  channel: Text(64),
  bytes: Bytes(channelWindowBytes)
})
/** So many bytes of the channel have been passed on: send as many more. */
export const ChannelTaken = Strict({
  type: Type.Literal('channel-taken'),
  channel: Text(64),
  bytes: Count()
})
/** Ends a channel, from either side. */
export const ChannelClose = Strict({
  type: Type.Literal('channel-close'),
  channel: Text(64),
  /** Why, for people; empty: it ended as it should. */
  because: Text(2048)
})
/** A question to an agent that changes nothing; answered by one `answer` with the same number. */
export const Question = Strict({
  type: Type.Literal('question'),
  number: Count(),
  ask: Words(['console-log', 'instance-stats'], { description: 'What is asked.' }),
  subject: Text()
})
/** Answers a question; `code` is that of a Fault, left out when all went well. */
export const Answer = Strict({
  type: Type.Literal('answer'),
  number: Count(),
  code: Type.Optional(Text(32)),
  message: Text(2048),
  bytes: Bytes(answerBytesMax)
})

/** Refused an order, and why: its epoch or generation is lower than one seen, or another cloud. */
export const Refusal = Strict({
  type: Type.Literal('refusal'),
  /** The highest epoch that the agent has seen: a controller of a lower one has been deposed. */
  epoch: Count(),
  /** The generation that the agent last took on. */
  generation: Count(),
  because: Text(2048)
})

/** The newest list of candidates; an agent takes it when it is rightly signed and newer. */
export const BootstrapMessage = Strict({
  type: Type.Literal('bootstrap'),
  signed: SignedBootstrap,
  /** The cloud's public key, for a host that has none yet: it joined before there was one. */
  cloudKey: Text(64)
})

/** All that bootd shall do about the power of hosts; whom it does not name is left alone. */
export const FenceOrders = Strict({
  type: Type.Literal('fence-orders'),
  /** Of the controller that says so, also where there are no orders. */
  epoch: Count(),
  orders: Type.Array(FenceOrder, { maxItems: fenceHostsMax })
})
/** How all fences stand that bootd was told of. */
export const FenceReport = Strict({
  type: Type.Literal('fence-report'),
  states: Type.Array(FenceState, { maxItems: fenceHostsMax })
})

/** Whom a host asks whether they are there, and who may ask it. */
export const Peers = Strict({
  type: Type.Literal('peers'),
  /** Stands for what is in it, so that a report can say which ones were taken. */
  print: Text(64),
  /** Hosts to look for: UUID, where they listen for that, and the key that they must have. */
  probe: Type.Array(
    Strict({
      host: Text(64),
      endpoint: Text(),
      publicKey: Type.String({ minLength: 40, maxLength: 40 })
    }),
    { maxItems: 16 }
  ),
  /** CURVE keys of those who look for this host, Z85. */
  admit: Type.Array(Type.String({ minLength: 40, maxLength: 40 }), { maxItems: 16 })
})

/** Knocks at the door of a candidate: a host that is not known yet asks to be let in. */
export const Join = Strict({
  type: Type.Literal('join'),
  /** SMBIOS UUID of the host. */
  uuid: Text(64),
  hostname: Text(),
  /** CURVE public key of its agent, Z85. */
  publicKey: Type.String({ minLength: 40, maxLength: 40 }),
  /** Where its agent listens, such as tcp://10.0.0.7:7411. */
  endpoint: Text(),
  token: Type.Optional(Text()),
  /** What it says of its hardware, once it has looked. */
  claims: Type.Optional(HostClaims),
  /** Version of the signed list that it keeps; that of a journal put back may be older. */
  bootstrapVersion: Type.Optional(Count())
})
/** What the door answers. */
export const Joined = Strict({
  type: Type.Literal('joined'),
  verdict: Words(['approved', 'pending', 'refused'], { description: 'What became of it.' }),
  because: Text(2048),
  cloud: Text(),
  /** CURVE public keys of the controllers that the agent shall admit, Z85. */
  controllerKeys: Type.Array(Text(40), { maxItems: 16 }),
  /** Public key of the cloud (Ed25519, base64url), and the newest list that it has signed. */
  cloudKey: Type.Optional(Text(64)),
  bootstrap: Type.Optional(SignedBootstrap)
})

/** All that a controller may say to an agent, and to bootd. */
export const toAgent = Type.Union([
  Order,
  Heartbeat,
  BootstrapMessage,
  Peers,
  FenceOrders,
  BootPlan,
  ConsoleOpen,
  SolOpen,
  ChannelData,
  ChannelTaken,
  ChannelClose,
  Question,
  BootdQuestion
])
/** All that an agent may say to a controller, and bootd. */
export const toController = Type.Union([
  Report,
  FenceReport,
  BootReport,
  Heartbeat,
  ChannelData,
  ChannelTaken,
  ChannelClose,
  Answer,
  Refusal
])
/** What a controller may say to an agent. */
export type ToAgent = DeepReadonly<Type.Static<typeof toAgent>>
/** What an agent may say to a controller. */
export type ToController = DeepReadonly<Type.Static<typeof toController>>
export type BootstrapMessage = DeepReadonly<Type.Static<typeof BootstrapMessage>>
export type FenceOrders = DeepReadonly<Type.Static<typeof FenceOrders>>
export type FenceReport = DeepReadonly<Type.Static<typeof FenceReport>>
export type Peers = DeepReadonly<Type.Static<typeof Peers>>
export type Join = DeepReadonly<Type.Static<typeof Join>>
export type Joined = DeepReadonly<Type.Static<typeof Joined>>
export type Heartbeat = DeepReadonly<Type.Static<typeof Heartbeat>>
export type Question = DeepReadonly<Type.Static<typeof Question>>
export type Answer = DeepReadonly<Type.Static<typeof Answer>>
export type Refusal = DeepReadonly<Type.Static<typeof Refusal>>

/** Why whoever dials is not let in: the other side knows no such key. */
export const notAdmitted = 'the key is not admitted'

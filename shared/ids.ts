import { randomUUIDv7 } from 'node:crypto'

/** A resource's id: the prefix of its kind, a dash, a UUIDv7; sorted, ids stand in order of age. */
export type Id = string & { readonly brand?: 'Id' }
/** On the mesh a host is known by its SMBIOS UUID, which is its own before it has joined. */
export type HostId = string & { readonly brand?: 'HostId' }

/** Which controller's reign: starts at 1, raised by each election. */
export type Epoch = number & { readonly brand?: 'Epoch' }
/** The journal position that last changed what this order or resource says. */
export type Generation = number & { readonly brand?: 'Generation' }

/** Makes a new id. Only io may call it: ids are an argument to the core. */
export const newId = (prefix: string): Id => `${prefix}-${randomUUIDv7()}`

/** The UUID inside an id; libvirt's domain UUID of an instance is this one. */
export const uuidOf = (id: Id): string => id.slice(id.indexOf('-') + 1)

/**
 * A short name for interfaces and chains, at most 15 characters as Linux wants: the prefix and the
 * last 12 hex digits, which are UUIDv7's random part.
 */
export const shortName = (prefix: string, id: Id): string => `${prefix}${id.slice(-12)}`

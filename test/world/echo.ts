import { Duplex } from 'node:stream'

/** A console that gives back what it is sent, until either side ends it. */
export const makeEcho = (): Duplex =>
  new Duplex({
    read: () => {},
    write(chunk, _encoding, done) {
      this.push(chunk)
      done()
    },
    final(done) {
      this.push(null)
      done()
    }
  })

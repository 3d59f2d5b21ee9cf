/** The X.509 library, loaded after what it needs. */
import 'reflect-metadata'

export * from '@peculiar/x509'

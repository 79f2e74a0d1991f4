//! L1: identity, devices, credentials, control graph, key ladder, invitations

//! L3: transports: memory, WebSocket, WebRTC

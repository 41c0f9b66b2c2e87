//! The system calls that std does not offer: datagrams with their local address, their time of
//! arrival and their ICMP errors, the limit of descriptors, the mode of new files, and the room on a
//! disk.
//!
//! This is the one module with unsafe code. What every block relies on: the kernel writes only
//! into the buffers a `msghdr` names, up to the lengths it names; all of them are local variables
//! or arguments that outlive the call.
#![allow(unsafe_code)]

use hotline_base::Wall;
use socket2::SockAddr;
use std::ffi::CString;
use std::io;
use std::mem;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Room for the control messages asked for, errors included.
const CONTROL_BYTES: usize = 512;

/// Control messages must be aligned as their header is.
#[repr(C, align(8))]
struct Control([u8; CONTROL_BYTES]);

/// A datagram that was received.
#[derive(Clone, Copy, Debug)]
pub struct Received {
    /// How many bytes of the buffer it fills.
    pub length: usize,
    /// Its sender.
    pub from: SocketAddr,
    /// The address it was sent to, where the kernel says so.
    pub local: Option<IpAddr>,
    /// When the kernel took it, by the wall clock.
    pub stamp: Option<Wall>,
}

/// Asks the kernel to report local addresses, times of arrival and ICMP errors on a socket.
///
/// # Errors
/// The kernel refuses.
pub fn report_all(socket: BorrowedFd<'_>, v6: bool) -> io::Result<()> {
    set(socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS)?;
    if v6 {
        set(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO)?;
        set(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVERR)
    } else {
        set(socket, libc::IPPROTO_IP, libc::IP_PKTINFO)?;
        set(socket, libc::IPPROTO_IP, libc::IP_RECVERR)
    }
}

fn set(socket: BorrowedFd<'_>, level: i32, option: i32) -> io::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: the option value is an int that lives through the call, and its size is given.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            (&raw const on).cast(),
            mem::size_of_val(&on) as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Receives one datagram; with `errors`, one from the error queue: `from` is then where the
/// failed datagram was sent to.
///
/// # Errors
/// As `recvmsg(2)`; [`io::ErrorKind::WouldBlock`] when there is none.
pub fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8], errors: bool) -> io::Result<Received> {
    let mut control = Control([0; CONTROL_BYTES]);
    let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: msghdr is plain data for which all zeroes is a valid (empty) value.
    let mut header: libc::msghdr = unsafe { mem::zeroed() };
    header.msg_iov = &raw mut part;
    header.msg_iovlen = 1;
    header.msg_control = control.0.as_mut_ptr().cast();
    header.msg_controllen = CONTROL_BYTES as _;
    let flags = if errors { libc::MSG_ERRQUEUE } else { 0 };
    let receive = |storage: *mut socket2::SockAddrStorage, length: *mut libc::socklen_t| {
        header.msg_name = storage.cast();
        // SAFETY: socket2 hands in its storage and that storage's length, both alive here.
        header.msg_namelen = unsafe { *length };
        // SAFETY: every pointer of the header is to a live buffer of the length it names.
        let received = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut header, flags) };
        if received < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: as above; the kernel has filled in the address and says how long it is.
        unsafe { *length = header.msg_namelen };
        Ok(received as usize)
    };
    // SAFETY: on success the closure has let the kernel fill the storage and set its length.
    let (length, from) = unsafe { SockAddr::try_init(receive) }?;
    let from = from.as_socket().ok_or(io::ErrorKind::InvalidData)?;
    let (local, stamp) = control_of(&header);
    Ok(Received { length, from, local, stamp })
}

/// What the control messages of a received datagram say.
fn control_of(header: &libc::msghdr) -> (Option<IpAddr>, Option<Wall>) {
    let (mut local, mut stamp) = (None, None);
    // SAFETY: the header was filled by a successful recvmsg and its control buffer is alive, so
    // the macros walk inside of it and every data pointer has the type its level and type name;
    // reads are unaligned because the macros promise no more than bytes.
    unsafe {
        let mut message = libc::CMSG_FIRSTHDR(header);
        while let Some(control) = message.as_ref() {
            let data = libc::CMSG_DATA(control);
            match (control.cmsg_level, control.cmsg_type) {
                (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                    let info: libc::in_pktinfo = data.cast::<libc::in_pktinfo>().read_unaligned();
                    // An ICMP error names only the address that it was sent to.
                    let of = |address: libc::in_addr| Ipv4Addr::from(u32::from_be(address.s_addr));
                    let address = of(info.ipi_spec_dst);
                    let address =
                        if address.is_unspecified() { of(info.ipi_addr) } else { address };
                    local = Some(IpAddr::V4(address));
                }
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                    let info: libc::in6_pktinfo = data.cast::<libc::in6_pktinfo>().read_unaligned();
                    local = Some(IpAddr::V6(Ipv6Addr::from(info.ipi6_addr.s6_addr)));
                }
                (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) => {
                    let at: libc::timespec = data.cast::<libc::timespec>().read_unaligned();
                    stamp = Some(Wall(at.tv_sec * 1_000_000 + at.tv_nsec / 1_000));
                }
                _ => {}
            }
            message = libc::CMSG_NXTHDR(header, message);
        }
    }
    (local, stamp)
}

/// Sends one datagram, from the address `source` if given.
///
/// # Errors
/// As `sendmsg(2)`.
pub fn send(
    socket: BorrowedFd<'_>,
    bytes: &[u8],
    to: SocketAddr,
    source: Option<IpAddr>,
) -> io::Result<()> {
    let to = SockAddr::from(to);
    let mut control = Control([0; CONTROL_BYTES]);
    let mut part = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    // SAFETY: msghdr is plain data for which all zeroes is a valid (empty) value.
    let mut header: libc::msghdr = unsafe { mem::zeroed() };
    header.msg_name = to.as_ptr().cast_mut().cast();
    header.msg_namelen = to.len();
    header.msg_iov = &raw mut part;
    header.msg_iovlen = 1;
    if let Some(source) = source {
        header.msg_control = control.0.as_mut_ptr().cast();
        header.msg_controllen = write_source(&mut control, source) as _;
    }
    // SAFETY: every pointer of the header is to a live buffer of the length it names; the kernel
    // only reads them, also those that had to be cast from const.
    let sent = unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const header, 0) };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Writes the control message that chooses the source address; gives its length.
fn write_source(control: &mut Control, source: IpAddr) -> usize {
    match source {
        IpAddr::V4(address) => {
            let info = libc::in_pktinfo {
                ipi_ifindex: 0,
                ipi_spec_dst: libc::in_addr { s_addr: u32::from(address).to_be() },
                ipi_addr: libc::in_addr { s_addr: 0 },
            };
            write_control(control, libc::IPPROTO_IP, libc::IP_PKTINFO, info)
        }
        IpAddr::V6(address) => {
            let info = libc::in6_pktinfo {
                ipi6_addr: libc::in6_addr { s6_addr: address.octets() },
                ipi6_ifindex: 0,
            };
            write_control(control, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, info)
        }
    }
}

fn write_control<T: Copy>(control: &mut Control, level: i32, kind: i32, data: T) -> usize {
    let size = mem::size_of::<T>() as u32;
    // SAFETY: these only compute lengths; both are far below CONTROL_BYTES for the two types.
    let (space, length) = unsafe { (libc::CMSG_SPACE(size), libc::CMSG_LEN(size)) };
    assert!(space as usize <= CONTROL_BYTES);
    let head: *mut libc::cmsghdr = control.0.as_mut_ptr().cast();
    // SAFETY: the buffer is aligned for a header and, as asserted, long enough for header and
    // data; the data is written unaligned.
    unsafe {
        (*head).cmsg_level = level;
        (*head).cmsg_type = kind;
        (*head).cmsg_len = length as _;
        libc::CMSG_DATA(head).cast::<T>().write_unaligned(data);
    }
    space as usize
}

/// From here on what this process makes in the file system is its own user's alone. Gives what
/// was masked before.
pub fn keep_files_private() -> u32 {
    // SAFETY: the call takes a number, touches no memory and cannot fail.
    unsafe { libc::umask(0o077) }
}

/// Whether this user may make files in a directory.
///
/// # Errors
/// Why not.
pub fn may_write(directory: &Path) -> io::Result<()> {
    let path = CString::new(directory.as_os_str().as_bytes())?;
    // SAFETY: the path ends in a zero byte and is alive; the call only reads it.
    match unsafe { libc::access(path.as_ptr(), libc::W_OK | libc::X_OK) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Bytes that this user may still write to the file system of a path.
///
/// # Errors
/// The path is not there, or the kernel refuses.
pub fn free_bytes(path: &Path) -> io::Result<u64> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: all zero is a value of this struct of numbers.
    let mut found: libc::statvfs = unsafe { mem::zeroed() };
    // SAFETY: the path ends in a zero byte, the struct is alive and of the type the call fills.
    if unsafe { libc::statvfs(path.as_ptr(), &raw mut found) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

/// Raises the soft limit of open descriptors to the hard one; gives the limit in force.
///
/// # Errors
/// The kernel refuses.
pub fn raise_descriptor_limit() -> io::Result<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the struct is alive and of the type the call fills.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: the struct is alive and the call only reads it.
    if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(limit.rlim_cur)
}

//! Status codes: usual reason phrases, and what they mean as Q.850 causes (RFC 3398 §8.2.6,
//! §7.2.4.1) for Reason headers (RFC 3326).

/// The usual reason phrase of a status; that of its class when the code is unknown.
pub fn reason_phrase(status: u16) -> &'static str {
    match status {
        100 => "Trying",
        180 => "Ringing",
        181 => "Call Is Being Forwarded",
        182 => "Queued",
        183 => "Session Progress",
        199 => "Early Dialog Terminated",
        200 => "OK",
        202 => "Accepted",
        204 => "No Notification",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Moved Temporarily",
        305 => "Use Proxy",
        380 => "Alternative Service",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        410 => "Gone",
        412 => "Conditional Request Failed",
        413 => "Request Entity Too Large",
        414 => "Request-URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Unsupported URI Scheme",
        417 => "Unknown Resource-Priority",
        420 => "Bad Extension",
        421 => "Extension Required",
        422 => "Session Interval Too Small",
        423 => "Interval Too Brief",
        428 => "Use Identity Header",
        429 => "Provide Referrer Identity",
        430 => "Flow Failed",
        433 => "Anonymity Disallowed",
        436 => "Bad Identity Info",
        437 => "Unsupported Credential",
        438 => "Invalid Identity Header",
        439 => "First Hop Lacks Outbound Support",
        440 => "Max-Breadth Exceeded",
        469 => "Bad Info Package",
        470 => "Consent Needed",
        480 => "Temporarily Unavailable",
        481 => "Call/Transaction Does Not Exist",
        482 => "Loop Detected",
        483 => "Too Many Hops",
        484 => "Address Incomplete",
        485 => "Ambiguous",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        489 => "Bad Event",
        491 => "Request Pending",
        493 => "Undecipherable",
        494 => "Security Agreement Required",
        500 => "Server Internal Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Server Time-out",
        505 => "Version Not Supported",
        513 => "Message Too Large",
        580 => "Precondition Failure",
        600 => "Busy Everywhere",
        603 => "Decline",
        604 => "Does Not Exist Anywhere",
        606 => "Not Acceptable",
        607 => "Unwanted",
        608 => "Rejected",
        _ => match status / 100 {
            0 | 1 => "Session Progress",
            2 => "OK",
            3 => "Redirection",
            4 => "Request Failure",
            5 => "Server Failure",
            _ => "Global Failure",
        },
    }
}

/// The Q.850 cause that says the same as a final failure status (RFC 3398 §8.2.6.1); 127
/// (interworking) where there is none.
pub fn q850_from_status(status: u16) -> u16 {
    match status {
        200..300 => 16,
        400 | 481 | 500 | 503 => 41,
        401..=403 | 407 | 603 | 607 | 608 => 21,
        404 | 485 | 604 => 1,
        405 => 63,
        406 | 415 | 488 | 606 => 79,
        408 | 504 => 102,
        410 => 22,
        413 | 414 | 416 | 420 | 421 | 423 | 505 | 513 => 127,
        480 => 18,
        482 | 483 => 25,
        484 => 28,
        486 | 600 => 17,
        487 => 16,
        501 => 79,
        502 => 38,
        580 => 47,
        _ => 127,
    }
}

/// The status that says the same as a Q.850 cause (RFC 3398 §7.2.4.1 and §8.2.6.1); 480 where
/// there is none, 500 for the protocol classes.
pub fn status_from_q850(cause: u16) -> u16 {
    match cause {
        1..=3 => 404,
        16 | 31 => 480,
        17 => 486,
        18 => 408,
        19 | 20 => 480,
        21 => 403,
        22 | 23 => 410,
        25 => 483,
        26 => 404,
        27 => 502,
        28 => 484,
        29 => 501,
        34 | 38 | 41 | 42 | 44 | 47 => 503,
        55 | 57 => 403,
        58 => 503,
        65 | 70 => 488,
        63 | 69 | 79 => 501,
        87 => 403,
        88 => 503,
        102 => 504,
        95..=101 | 111 | 127 => 500,
        _ => 480,
    }
}

/// The value of a Reason header with a Q.850 cause and its usual text.
pub fn q850_reason(cause: u16) -> String {
    format!("Q.850;cause={cause};text=\"{}\"", q850_text(cause))
}

/// What a Q.850 cause is called.
pub fn q850_text(cause: u16) -> &'static str {
    match cause {
        1 => "Unallocated number",
        2 => "No route to transit network",
        3 => "No route to destination",
        16 => "Normal call clearing",
        17 => "User busy",
        18 => "No user responding",
        19 => "No answer from user",
        20 => "Subscriber absent",
        21 => "Call rejected",
        22 => "Number changed",
        25 => "Exchange routing error",
        26 => "Non-selected user clearing",
        27 => "Destination out of order",
        28 => "Invalid number format",
        29 => "Facility rejected",
        31 => "Normal, unspecified",
        34 => "No circuit available",
        38 => "Network out of order",
        41 => "Temporary failure",
        42 => "Switching equipment congestion",
        44 => "Requested channel not available",
        47 => "Resource unavailable",
        55 => "Incoming calls barred",
        57 => "Bearer capability not authorized",
        58 => "Bearer capability not available",
        63 => "Service not available",
        65 => "Bearer capability not implemented",
        69 => "Requested facility not implemented",
        79 => "Service not implemented",
        87 => "User not member of group",
        88 => "Incompatible destination",
        102 => "Recovery on timer expiry",
        111 => "Protocol error",
        127 => "Interworking",
        _ => "Other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_and_statuses() {
        for (status, cause) in [(486, 17), (480, 18), (603, 21), (404, 1), (503, 41), (408, 102)] {
            assert_eq!(q850_from_status(status), cause, "{status}");
        }
        for (cause, status) in
            [(17, 486), (18, 408), (19, 480), (21, 403), (27, 502), (34, 503), (1, 404), (31, 480)]
        {
            assert_eq!(status_from_q850(cause), status, "{cause}");
        }
        assert_eq!(q850_reason(16), "Q.850;cause=16;text=\"Normal call clearing\"");
        assert_eq!(reason_phrase(486), "Busy Here");
        assert_eq!(reason_phrase(499), "Request Failure");
    }
}

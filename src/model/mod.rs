//! Requests and answers of the meta API.

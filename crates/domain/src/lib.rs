//! What a post, a tag and an author are, and the rules they obey. No I/O.

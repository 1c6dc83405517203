INSERT INTO api_keys VALUES ('alice', 'atFMb8h4ZEAAMtDjvInfwz2DNcsvfrlS');
INSERT INTO api_keys VALUES ('bob', '4CAQIZphnROcy05lyrv9jxkow40N459z');

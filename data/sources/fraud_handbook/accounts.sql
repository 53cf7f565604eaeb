-- One card a customer.
SELECT 'card-' || CUSTOMER_ID AS account_id, CUSTOMER_ID::VARCHAR AS customer_id, 'credit_card' AS product,
       min(TX_DATETIME)::DATE AS opened_on
FROM base GROUP BY CUSTOMER_ID
